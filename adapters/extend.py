"""Programs with more than the four phases: gradients of one side alone, a tangent, an optimizer's step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from harness.workload.trace import Graph

from .base import Executed, Program

_PAIR = ("forward", "backward")


class Extended:
    """A program with further phases: `calls` by name, and `count` for what they execute. All else is the program's."""

    def __init__(
        self,
        program: Program,
        calls: Mapping[str, Callable[..., Any]],
        count: Callable[[], dict[str, Executed]],
    ) -> None:
        self.phases = (*program.phases, *calls)
        self._program = program
        self._calls = calls
        self._count = count

    def __getattr__(self, name: str) -> Any:
        return self._calls[name] if name in self._calls else getattr(self._program, name)

    def executed(self) -> dict[str, Executed]:
        return self._program.executed() | self._count()


def with_sides(graph: Graph, make: Callable[[Graph], Any]) -> Any:
    """The program of `graph`; where it wants both gradients, with the pair of each side added.

    Each side is a program of its own, whose forward keeps only what that side's backward needs.
    """
    if graph.gradients != "both":
        return make(graph)
    sides = {side: make(graph.side(side)) for side in ("inputs", "params")}
    for program in sides.values():
        program.phases = _PAIR
    calls = {f"{phase}_{side}": getattr(program, phase) for side, program in sides.items() for phase in _PAIR}

    def count() -> dict[str, Executed]:
        counted = {side: program.executed() for side, program in sides.items()}
        return {f"{phase}_{side}": found[phase] for side, found in counted.items() for phase in _PAIR}

    return Extended(make(graph), calls, count)
