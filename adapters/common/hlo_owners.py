"""Finds which op of the source each instruction of an optimised XLA program belongs to, where XLA has lost its name.

XLA rewrites some instructions without saying what they come from: the convolution of a dW, say, and all changes of
layout. Such an instruction belongs to the op that it is computed for, or else to the op that it is computed from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from .hlo_text import Computation, Instruction, Shape, parse
from .scopes import Event

_NAME = re.compile(r'\bop_name="(?!XLA_)([^"]*)"')  # TensorFlow names changes of a result's layout XLA_Retvals
_FUSED = re.compile(r"\bcalls=%?([\w.\-]+)")
_GIVEN = ("parameter", "constant", "broadcast")  # may be of several ops, and have the name of one
_CONTAINERS = ("while", "call", "conditional")  # what runs inside of them is in the profile as well

NumberOf = Callable[[str], int | None]
Source = tuple[str, Shape]


def events_of(text: str, ran: Iterable[tuple[str, float]], number_of: NumberOf) -> list[Event]:
    """What ran, as (instruction, seconds), of the program whose optimised HLO is `text`, with what it comes from.

    That is a name in the source and the shape of a result, of the instruction itself or of that which it is computed
    for or from; the name is empty if it belongs to no op. `number_of` tells an op's number from the scopes and the name
    in a source's name, if it is the name of an op.
    """
    _, computations = parse(text)
    instructions: Computation = {}
    sources: dict[str, Source] = {}
    for computation in computations.values():
        instructions |= computation
        sources |= _sources(computation, computations, number_of)
    return [
        (*sources.get(name, ("", _shape(instructions[name]))), seconds)
        for name, seconds in ran
        if name in instructions and instructions[name].opcode not in _CONTAINERS
    ]


def _sources(computation: Computation, computations: dict[str, Computation], number_of: NumberOf) -> dict[str, Source]:
    """What each instruction comes from if it belongs to an op; they stand in the order of their execution."""
    sources = {
        name: (source, _shape(instruction))
        for name, instruction in computation.items()
        if (source := _op_name(instruction, computations, number_of))
    }
    lost = {name for name, instruction in computation.items() if name not in sources and not _name(instruction)}
    for name, instruction in reversed(computation.items()):
        for operand in lost & set(instruction.operands) if name in sources else ():
            if computation[operand].opcode not in _GIVEN:
                sources[operand] = sources[name]  # that of the first of several which use it
    for name, instruction in computation.items():
        given = [sources[operand] for operand in instruction.operands if operand in sources]
        if given and name in lost:
            sources.setdefault(name, given[0])
    return sources


def _op_name(instruction: Instruction, computations: dict[str, Computation], number_of: NumberOf) -> str:
    """The name of the op that an instruction is; a fusion that has none has that of the last op in it."""
    if number_of(_name(instruction)) is not None:
        return _name(instruction)
    if instruction.opcode != "fusion" or not (called := _FUSED.search(instruction.attributes)):
        return ""
    fused = [one for one in reversed(computations[called[1]].values()) if one.opcode not in _GIVEN]
    return next(filter(None, (_op_name(one, computations, number_of) for one in fused)), "")


def _name(instruction: Instruction) -> str:
    """The name of what an instruction was in the source; empty if that is lost."""
    found = _NAME.search(instruction.attributes)
    return found[1] if found else ""


def _shape(instruction: Instruction) -> Shape:
    """The shape of the result, or of its first part."""
    return instruction.shapes[0] if instruction.shapes else ()
