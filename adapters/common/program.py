"""The part of `Program` that is the same in all frameworks, and programs with more than a core's phases."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from harness.workload.trace import Graph

from ..base import PHASES, Executed, Program
from ..profiled import Profiled

PAIR = ("forward", "backward")


@dataclass(frozen=True)
class CoreRequest:
    """A workload, or one side of it, for a framework to make a core program of.

    `phases` are those that the core is asked for. `directions` are those of a tangent, if it is among them.
    """

    graph: Graph
    arrays: Mapping[str, Any]
    phases: tuple[str, ...] = PHASES
    directions: Mapping[str, Any] = field(default_factory=dict)


class Plain(Program):
    """A program of PHASES and no others."""

    phases = PHASES

    def gradient(self) -> tuple[Any, Mapping[str, Any]]:
        kept = self.forward()
        return kept[0], self.backward(kept)

    def spoil(self, result: Any, /) -> None:
        """Do nothing: each call returns new arrays."""

    def tangent(self) -> tuple[Any, Any]:
        raise _absent("tangent")

    def update(self, pair: tuple[Any, Mapping[str, Any]], /) -> Mapping[str, Any]:
        raise _absent("update")

    def forward_inputs(self) -> tuple[Any, Any]:
        raise _absent("forward_inputs")

    def backward_inputs(self, kept: tuple[Any, Any], /) -> Mapping[str, Any]:
        raise _absent("backward_inputs")

    def forward_params(self) -> tuple[Any, Any]:
        raise _absent("forward_params")

    def backward_params(self, kept: tuple[Any, Any], /) -> Mapping[str, Any]:
        raise _absent("backward_params")


class Core(Plain):
    """A program of the catalogue, with a tangent where its framework writes one."""

    def __init__(self, request: CoreRequest) -> None:
        self.phases = request.phases
        self._graph = request.graph
        self._arrays = request.arrays
        self._directions = request.directions

    def parameters(self) -> Mapping[str, Any]:
        return {name: self._arrays[name] for name in self._graph.params if name in self._graph.sources}


def _absent(phase: str) -> RuntimeError:
    return RuntimeError(f"this program was loaded without the phase {phase}")


class Update(Protocol):
    """The phase `update`: one optimizer step of copies of the parameters, so that the other phases keep theirs."""

    def __call__(self, pair: tuple[Any, Mapping[str, Any]], /) -> Mapping[str, Any]:
        """The copies after one more step, from the pair that `gradient` returned."""

    def executed(self) -> Executed:
        """Multiplies in one step."""


class Extended:
    """A core program with the pair of each side, an update, or both.

    Each side is a program of its own, whose forward keeps only what that side's backward needs. The phases are the
    parts' own bound methods: no call takes a detour that would be measured.
    """

    def __init__(self, core: Program, sides: Mapping[str, Program], update: Update | None) -> None:
        self._core = core
        self._sides = sides
        self._update = update
        of_sides = (f"{phase}_{side}" for side in sides for phase in PAIR)
        self.phases = (*core.phases, *of_sides, *(() if update is None else ("update",)))
        self.inference, self.forward, self.backward = core.inference, core.forward, core.backward
        self.gradient, self.tangent = core.gradient, core.tangent
        self.parameters, self.export, self.residual_bytes = core.parameters, core.export, core.residual_bytes
        self.repeatable, self.spoil = core.repeatable, core.spoil
        self.update: Callable[[tuple[Any, Mapping[str, Any]]], Mapping[str, Any]] = update or core.update
        self.forward_inputs, self.backward_inputs = core.forward_inputs, core.backward_inputs
        self.forward_params, self.backward_params = core.forward_params, core.backward_params
        if sides:
            self.forward_inputs, self.backward_inputs = sides["inputs"].forward, sides["inputs"].backward
            self.forward_params, self.backward_params = sides["params"].forward, sides["params"].backward
        if isinstance(core, Profiled):
            self.profiled = core.profiled

    def restrict(self, phases: Collection[str]) -> None:
        self.phases = tuple(phase for phase in self.phases if phase in phases)

    def executed(self) -> dict[str, Executed]:
        counted = self._core.executed()
        for side, program in self._sides.items():
            counted |= {f"{phase}_{side}": executed for phase, executed in program.executed().items()}
        if self._update is not None:
            counted["update"] = self._update.executed()
        return counted
