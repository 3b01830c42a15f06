"""What a profile of an XLA program says in the framework's terms: its instructions, with their scopes and shapes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .hlo_text import parse
from .scopes import Event

_SCOPES = re.compile(r'\bop_name="([^"]*)"')
CONTAINERS = ("while", "call", "conditional")  # what runs inside of them is in the profile as well


def events_of(text: str, ran: Iterable[tuple[str, float]]) -> list[Event]:
    """What ran, as (instruction, seconds), of the program whose optimised HLO is `text`; each has its source's scopes.

    A fusion has those of its last op.
    """
    _, computations = parse(text)
    instructions = {name: each for computation in computations.values() for name, each in computation.items()}
    events = []
    for name, seconds in ran:
        instruction = instructions.get(name)
        if instruction is None or instruction.opcode in CONTAINERS:
            continue
        source = _SCOPES.search(instruction.attributes)
        events.append((source[1] if source else "", instruction.shapes[0], seconds))
    return events
