"""Parses the HLO text of an XLA module into its computations."""

from __future__ import annotations

import re
from dataclasses import dataclass

Shape = tuple[int, ...]

_HEADER = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\) -> .*\{$")
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = (.*)$")
_TILED_LAYOUT = re.compile(r"\{[\d,]*:[^}]*\}")
_OPCODE = re.compile(r"\s([a-z][\w\-]*)\(([^()]*(?:\([^()]*\)[^()]*)*)\)")
_ARRAY = re.compile(r"[a-z]\w*\[([\d,]*)\]")
_NAME = re.compile(r"%?([\w.\-]+)\s*$")


@dataclass(frozen=True)
class Instruction:
    """One line: `name = shapes opcode(operands), attributes`. A tuple has several shapes."""

    shapes: tuple[Shape, ...]
    opcode: str
    operands: tuple[str, ...]
    attributes: str


Computation = dict[str, Instruction]


def parse(text: str) -> tuple[str, dict[str, Computation]]:
    """Return the name of the entry computation, and all computations by name. Raises ValueError for other text."""
    computations: dict[str, Computation] = {}
    entry = ""
    current: Computation = {}
    for line in text.splitlines():
        if header := _HEADER.match(line):
            current = computations[header[2]] = {}
            entry = header[2] if header[1] else entry
        elif found := _INSTRUCTION.match(line):
            name, rest = found.groups()
            # Layout tiles such as {1,0:T(8,128)} would look like an opcode with its operands.
            rest = _TILED_LAYOUT.sub("", rest)
            if opcode := _OPCODE.search(rest):
                current[name] = Instruction(
                    _shapes(rest[: opcode.start()]), opcode[1], operand_names(opcode[2]), rest[opcode.end() :]
                )
    if not entry:
        raise ValueError("this is no HLO module: it has no ENTRY computation")
    return entry, computations


def _shapes(text: str) -> tuple[Shape, ...]:
    return tuple(numbers(dimensions) for dimensions in _ARRAY.findall(text))


def numbers(text: str) -> Shape:
    """Return the whole numbers in a text, such as an array's dimensions."""
    return tuple(int(n) for n in re.findall(r"\d+", text))


def operand_names(text: str) -> tuple[str, ...]:
    """Operand names, printed with their shapes (`f32[2,3]{1,0} %x`) or without."""
    bare = re.sub(r"[\[{][^\]}]*[\]}]", "", text)
    return tuple(found[1] for part in bare.split(",") if (found := _NAME.search(part)))
