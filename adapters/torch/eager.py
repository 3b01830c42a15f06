"""A workload run op by op, with gradients from torch's autograd."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from harness.workload.interpret import interpreter
from harness.workload.trace import Graph

from ..base import PHASES, Executed
from . import layout, ops
from .counting import CountDispatched
from .residuals import residual_bytes


class Eager:
    """Implements `Program`. A forward pass returns the loss, and the same loss with its autograd graph."""

    def __init__(
        self,
        graph: Graph,
        arrays: Mapping[str, np.ndarray],
        device: torch.device,
        dtype: torch.dtype,
        image_format: torch.memory_format = torch.contiguous_format,
    ) -> None:
        self._axes = layout.axes_of(graph)
        placed = {
            name: layout.place(arrays[name], axes, device, dtype, image_format) for name, axes in self._axes.items()
        }
        self._sources = {name: placed[name].requires_grad_() for name in graph.sources}
        self._params = {name: placed[name] for name in graph.params}
        self._inputs = {name: placed[name] for name in graph.inputs}
        self._wanted = tuple(self._sources.values())
        self._loss: Callable[..., Tensor] = interpreter(graph, ops)

    def inference(self) -> Tensor:
        with torch.no_grad():
            return self._loss(self._params, self._inputs)

    def forward(self) -> tuple[Tensor, Tensor]:
        loss = self._loss(self._params, self._inputs)
        return loss.detach(), loss

    def backward(self, kept: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        # Not Tensor.backward, which would also add to .grad.
        return dict(zip(self._sources, torch.autograd.grad(kept[1], self._wanted), strict=True))

    def gradient(self) -> tuple[Tensor, dict[str, Tensor]]:
        kept = self.forward()
        return kept[0], self.backward(kept)

    def export(self, gradients: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
        return layout.export(gradients, self._axes)

    def residual_bytes(self, kept: tuple[Tensor, Tensor]) -> int:
        return residual_bytes(kept[1], (*self._params.values(), *self._inputs.values()))

    def executed(self) -> dict[str, Executed]:
        counts = {phase: CountDispatched() for phase in PHASES}
        with counts["inference"]:
            self.inference()
        with counts["forward"]:
            kept = self.forward()
        with counts["backward"]:
            self.backward(kept)
        with counts["gradient"]:
            self.gradient()
        return {phase: count.tally.executed() for phase, count in counts.items()}
