"""Backprop by the catalogue's rules, in any framework's array primitives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.workload.backprop import Step, run_backward, run_forward
from harness.workload.jacobian import run_backward_by_jacobians
from harness.workload.trace import Graph


class Backprop:
    """The loss and the gradients of a workload, with primitives `xp`, as the choice `autodiff` wants them."""

    def __init__(self, xp: Any, graph: Graph, autodiff: str) -> None:
        self._xp = xp
        self._graph = graph
        self._recompute = autodiff == "by_hand_recomputed"
        self._run_backward = run_backward_by_jacobians if autodiff == "jacobian" else run_backward

    def loss(self, arrays: Mapping[str, Any]) -> Any:
        """The loss alone; nothing is kept."""
        return run_forward(self._xp, self._graph, arrays, keep=False)[0]

    def forward(self, arrays: Mapping[str, Any]) -> tuple[Any, list[Step]]:
        """The loss, and the steps that `backward` needs."""
        return run_forward(self._xp, self._graph, arrays, recompute=self._recompute)

    def backward(self, steps: list[Step], start: Any) -> dict[str, Any]:
        """The gradient of each source, from steps that are used up. `start` is that of the result: `Graph.start`."""
        return self._run_backward(self._xp, self._graph, steps, start)


def kept_by(steps: list[Step]) -> Iterator[Any]:
    """All that steps keep, in order: arrays, and the shapes of inputs that backward does not read."""
    for step in steps:
        yield from step.inputs
        yield from step.local or ()
