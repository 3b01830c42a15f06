"""Backprop by the catalogue's rules, in any framework's array primitives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from harness.workload.backprop import Step, run_backward, run_forward
from harness.workload.jacobian import run_backward_by_jacobians
from harness.workload.trace import Graph


class Backprop:
    """The loss and the gradients of a workload, with primitives `xp`, as the choice `autodiff` wants them."""

    def __init__(self, xp: Any, graph: Graph, autodiff: str) -> None:
        self._xp = xp
        self.graph = graph
        self._recompute = autodiff == "by_hand_recomputed"
        self._run_backward = run_backward_by_jacobians if autodiff == "jacobian" else run_backward

    def loss(self, arrays: Mapping[str, Any]) -> Any:
        """The loss alone; nothing is kept."""
        return run_forward(self._xp, self.graph, arrays, keep=False)[0]

    def forward(self, arrays: Mapping[str, Any]) -> tuple[Any, list[Step]]:
        """The loss, and the steps that `backward` needs."""
        return run_forward(self._xp, self.graph, arrays, recompute=self._recompute)

    def backward(self, steps: list[Step], start: Any) -> dict[str, Any]:
        """The gradient of each source, from steps that are used up. `start` is that of the result: `Graph.start`."""
        return self._run_backward(self._xp, self.graph, steps, start)


class Mixed:
    """Backprop of float32 arrays whose work is in bf16: `narrow` and `widen` are a framework's casts.

    Outputs of an op alone stay in bf16, as the next op of a model would take them, and so do gradients of activations.
    """

    def __init__(self, backprop: Backprop, narrow: Callable[[Any], Any], widen: Callable[[Any], Any]) -> None:
        self._backprop = backprop
        self._narrow = narrow
        self._widen = widen

    def loss(self, arrays: Mapping[str, Any]) -> Any:
        """The loss of arrays cast to bf16; nothing is kept."""
        return self._loss_widened(self._backprop.loss(self._narrowed(arrays)))

    def forward(self, arrays: Mapping[str, Any]) -> tuple[Any, list[Step]]:
        """The loss, and the steps that `backward` needs, which keep arrays in bf16."""
        result, steps = self._backprop.forward(self._narrowed(arrays))
        return self._loss_widened(result), steps

    def backward(self, steps: list[Step], start: Any) -> dict[str, Any]:
        """The gradient of each source, widened to float32, from steps that are used up."""
        gradients, activations = self._backprop.backward(steps, start), self._backprop.graph.activations
        return {name: g if name in activations else self._widen(g) for name, g in gradients.items()}

    def _loss_widened(self, result: Any) -> Any:
        return result if isinstance(result, tuple) else self._widen(result)

    def _narrowed(self, arrays: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._narrow(array) for name, array in arrays.items()}


def kept_by(steps: list[Step]) -> Iterator[Any]:
    """All that steps keep, in order: arrays, and the shapes of inputs that backward does not read."""
    for step in steps:
        yield from step.inputs
        yield from step.local or ()
