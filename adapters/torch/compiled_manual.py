"""Hand-written backprop, compiled: forward and backward are one graph each, and `gradient` one for both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch._subclasses import FakeTensorMode

from harness.workload.backprop import Step

from ..base import Executed
from ..common.manual import kept_by
from ..common.program import CoreRequest
from . import modes
from .executable import Inductor, compile_once
from .manual import Manual
from .residuals import storage_bytes

_Kept = tuple[Tensor, ...]


class CompiledManual(Manual):
    """The steps cross from forward to backward as plain arrays."""

    def __init__(
        self, request: CoreRequest, device: torch.device, dtype: torch.dtype, autodiff: str, mixed: bool, mode: str
    ) -> None:
        super().__init__(request, device, dtype, autodiff, mixed)
        infer, run_forward, run_backward = self._rule.loss, self._rule.forward, self._rule.backward
        with FakeTensorMode() as fake:
            _, template = run_forward({name: fake.from_tensor(array) for name, array in self._arrays.items()})

        def inference(arrays: Mapping[str, Tensor]) -> Tensor:
            return infer(arrays)

        def forward(arrays: Mapping[str, Tensor]) -> tuple[Tensor, _Kept]:
            loss, steps = run_forward(arrays)
            return loss, _pack(steps)

        def backward(kept: _Kept, start: Any) -> dict[str, Tensor]:
            return run_backward(_unpack(template, kept), start)

        def gradient(arrays: Mapping[str, Tensor], start: Any) -> tuple[Tensor, dict[str, Tensor]]:
            loss, steps = run_forward(arrays)
            return loss, run_backward(steps, start)

        phases = {"inference": inference, "forward": forward, "backward": backward, "gradient": gradient}
        nhwc, options = device.type == "cuda", modes.options(mode)
        self._inductor = {phase: Inductor(nhwc, options) for phase in phases}
        self._compiled = {phase: compile_once(phases[phase], self._inductor[phase]) for phase in phases}

    def inference(self) -> Tensor:
        return self._compiled["inference"](self._arrays)

    def forward(self) -> tuple[Tensor, _Kept]:
        return self._compiled["forward"](self._arrays)

    def backward(self, kept: tuple[Tensor, _Kept]) -> dict[str, Tensor]:
        return self._compiled["backward"](kept[1], self._start)

    def gradient(self) -> tuple[Tensor, dict[str, Tensor]]:
        return self._compiled["gradient"](self._arrays, self._start)

    def residual_bytes(self, kept: tuple[Tensor, Any]) -> int:
        return storage_bytes(kept[1], self._arrays.values())

    def executed(self) -> dict[str, Executed]:
        return {phase: self._inductor[phase].executed["forward"] for phase in self.phases}


def _pack(steps: list[Step]) -> _Kept:
    return tuple(x for x in kept_by(steps) if isinstance(x, Tensor))


def _unpack(template: list[Step], kept: _Kept) -> list[Step]:
    """The steps, in the form of `template`, with the arrays of `_pack`."""
    arrays = iter(kept)
    return [
        replace(
            step,
            inputs=tuple(next(arrays) if isinstance(x, Tensor) else x for x in step.inputs),
            local=None if step.local is None else tuple(next(arrays) for _ in step.local),
        )
        for step in template
    ]
