"""Backprop by the catalogue's rules, in torch's ops and without its autograd."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.workload.backprop import Step, run_backward, run_forward
from harness.workload.jacobian import run_backward_by_jacobians
from harness.workload.trace import Graph

from ..base import PHASES, Executed
from . import layout, primitives
from .counting import count_phases
from .residuals import storage_bytes


class ByHand:
    """Implements `Program`, op by op. Arrays have canonical shapes, and lie in memory as torch's own ops want them."""

    phases = PHASES

    def __init__(
        self,
        graph: Graph,
        arrays: Mapping[str, np.ndarray],
        device: torch.device,
        dtype: torch.dtype,
        autodiff: str,
    ) -> None:
        self._graph = graph
        self._arrays = {
            name: layout.canonical(layout.place(arrays[name], axes, device, dtype, torch.contiguous_format), axes)
            for name, axes in layout.axes_of(graph).items()
        }
        self._one = torch.ones((), dtype=dtype, device=device)
        self._autodiff = autodiff
        self._recompute = autodiff == "by_hand_recomputed"

    def _run_forward(self, arrays: Mapping[str, Tensor]) -> tuple[Tensor, list[Step]]:
        return run_forward(primitives, self._graph, arrays, recompute=self._recompute)

    def _run_backward(self, steps: list[Step], one: Tensor) -> dict[str, Tensor]:
        pull = run_backward_by_jacobians if self._autodiff == "jacobian" else run_backward
        return pull(primitives, self._graph, steps, one)

    def parameters(self) -> dict[str, Tensor]:
        """Those that are trained."""
        return {name: self._arrays[name] for name in self._graph.params if name in self._graph.sources}

    def _infer(self, arrays: Mapping[str, Tensor]) -> Tensor:
        return run_forward(primitives, self._graph, arrays, keep=False)[0]

    def inference(self) -> Tensor:
        return self._infer(self._arrays)

    def forward(self) -> tuple[Tensor, Any]:
        return self._run_forward(self._arrays)

    def backward(self, kept: tuple[Tensor, Any]) -> dict[str, Tensor]:
        return self._run_backward(kept[1], self._one)

    def gradient(self) -> tuple[Tensor, dict[str, Tensor]]:
        kept = self.forward()
        return kept[0], self.backward(kept)

    def export(self, gradients: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
        return {name: np.ascontiguousarray(tensor.detach().float().cpu().numpy()) for name, tensor in gradients.items()}

    def residual_bytes(self, kept: tuple[Tensor, Any]) -> int:
        arrays = (array for step in kept[1] for array in (*step.inputs, *(step.local or ())))
        return storage_bytes((a for a in arrays if isinstance(a, Tensor)), self._arrays.values())

    def executed(self) -> dict[str, Executed]:
        return count_phases(self)
