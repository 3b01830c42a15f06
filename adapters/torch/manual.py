"""Backprop by the catalogue's rules, in torch's ops and without its autograd."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..base import Executed
from ..common.manual import Backprop, Mixed, kept_by
from ..common.program import Core, CoreRequest
from . import layout, primitives
from .counting import count_phases
from .mixed import narrow, wide
from .residuals import storage_bytes


class Manual(Core):
    """Op by op. Arrays have canonical shapes, and lie in memory as torch's own ops want them."""

    def __init__(
        self, request: CoreRequest, device: torch.device, dtype: torch.dtype, autodiff: str, mixed: bool
    ) -> None:

        def place(name: str, axes: layout.Axes) -> Tensor:
            kind = torch.bfloat16 if mixed and name in request.graph.activations else dtype
            return layout.canonical(
                layout.place(request.arrays[name], axes, device, kind, torch.contiguous_format), axes
            )

        arrays = {name: place(name, axes) for name, axes in layout.axes_of(request.graph).items()}
        super().__init__(replace(request, arrays=arrays))
        backprop = Backprop(primitives, request.graph, autodiff)
        self._rule = Mixed(backprop, narrow, torch.Tensor.float) if mixed else backprop
        one = torch.ones((), dtype=torch.bfloat16 if mixed else dtype, device=device)
        self._start = request.graph.start(self._arrays, one)

    def inference(self) -> Tensor:
        return self._rule.loss(self._arrays)

    def forward(self) -> tuple[Tensor, Any]:
        return self._rule.forward(self._arrays)

    def backward(self, kept: tuple[Tensor, Any]) -> dict[str, Tensor]:
        return self._rule.backward(kept[1], self._start)

    def export(self, gradients: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
        return {name: np.ascontiguousarray(wide(tensor.detach()).cpu().numpy()) for name, tensor in gradients.items()}

    def residual_bytes(self, kept: tuple[Tensor, Any]) -> int:
        arrays = (x for x in kept_by(kept[1]) if isinstance(x, Tensor))
        outputs = kept[0] if isinstance(kept[0], tuple) else ()
        return storage_bytes(arrays, (*self._arrays.values(), *outputs))

    def executed(self) -> dict[str, Executed]:
        return count_phases(self)
