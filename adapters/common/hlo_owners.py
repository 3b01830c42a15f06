"""Finds which op of the source each instruction of an optimised XLA program belongs to, where XLA has lost its name.

XLA writes some instructions anew without saying what they come from: the convolution of a dW, say, and all changes of
layout. Such a one belongs to the op that it is computed for, else to the op that it is computed from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from .hlo_profile import CONTAINERS
from .hlo_text import Computation, Instruction, parse
from .own_ops import Ran

_NAME = re.compile(r'\bop_name="([^"]*)"')
_FUSED = re.compile(r"\bcalls=%?([\w.\-]+)")
_GIVEN = ("parameter", "constant", "broadcast")  # may be of several ops, and have the name of one


def owned(text: str, ran: Iterable[tuple[str, float]], number_of: Callable[[str], int | None]) -> list[Ran]:
    """What ran, as (instruction, seconds), of the program whose optimised HLO is `text`, by the op that it belongs to.

    `number_of` tells an op's number from the scopes and the name in a source's name, if it is the name of an op.
    """
    _, computations = parse(text)
    instructions = {name: one for computation in computations.values() for name, one in computation.items()}
    numbers: dict[str, int] = {}
    for computation in computations.values():
        numbers |= _numbers(computation, computations, number_of)
    return [
        (numbers.get(name), seconds)
        for name, seconds in ran
        if name in instructions and instructions[name].opcode not in CONTAINERS
    ]


def _numbers(
    computation: Computation, computations: dict[str, Computation], number_of: Callable[[str], int | None]
) -> dict[str, int]:
    """The op of each instruction, which stand in the order of their execution."""
    named = {
        name: number
        for name, instruction in computation.items()
        if (number := _own_number(instruction, computations, number_of)) is not None
    }
    numbers = dict(named)
    for name, instruction in reversed(computation.items()):
        for operand in computation.keys() & instruction.operands if name in numbers else ():
            if operand not in named and computation[operand].opcode not in _GIVEN:
                numbers[operand] = numbers[name]  # that of the first of several which use it
    for name, instruction in computation.items():
        sources = [numbers[operand] for operand in instruction.operands if operand in numbers]
        if sources:
            numbers.setdefault(name, sources[0])
    return numbers


def _own_number(
    instruction: Instruction, computations: dict[str, Computation], number_of: Callable[[str], int | None]
) -> int | None:
    """The op that an instruction is named after; a fusion without a name has that of the last named one in it."""
    if (source := _NAME.search(instruction.attributes)) and (number := number_of(source[1])) is not None:
        return number
    if instruction.opcode != "fusion" or not (called := _FUSED.search(instruction.attributes)):
        return None
    fused = [one for one in reversed(computations[called[1]].values()) if one.opcode not in _GIVEN]
    inside = (_own_number(one, computations, number_of) for one in fused)
    return next((number for number in inside if number is not None), None)
