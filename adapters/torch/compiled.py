"""A workload compiled by torch.compile: a function each for inference, for the pair, and for both of it at once."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..base import Executed
from ..common.numbered import Numbered, within
from ..common.program import CoreRequest
from ..common.scopes import times_of
from ..profiled import Times
from . import modes
from .counting import total
from .eager import Eager
from .executable import Inductor, compile_once
from .marked import MarkedInductor
from .marked_calls import annotated, events_of, label_of


class Compiled(Eager):
    """The split pair is AOT autograd's; `gradient` is one graph without a split.

    Left to itself, inductor computes convolutions in channels_last: it converts NCHW arrays in each call, and keeps
    the converted weights for the backward pass. So arrays are stored as it computes: channels_last on a GPU; on a
    CPU NCHW, with that optimization off (resnet18, 4 images of 64 pixels: half the time of its backward pass).
    """

    def __init__(
        self,
        request: CoreRequest,
        device: torch.device,
        dtype: torch.dtype,
        image_format: torch.memory_format,
        ops: Any,
        residuals: str,
        mixed: bool,
        mode: str,
    ) -> None:
        super().__init__(request, device, dtype, image_format, ops, residuals, mixed)
        infer, loss = self._infer, self._loss

        def gradient(
            sources: Mapping[str, Tensor], rest: Mapping[str, Tensor], cotangents: tuple[Tensor, ...] | None
        ) -> tuple[dict[str, Tensor], Any]:
            def of_sources(sources: Mapping[str, Tensor]) -> Any:
                everything = {**rest, **sources}
                return loss(everything, everything)

            if cotangents is None:
                return torch.func.grad_and_value(of_sources)(sources)
            outputs, pull = torch.func.vjp(of_sources, sources)
            return pull(cotangents)[0], outputs

        def tangent(
            sources: Mapping[str, Tensor], rest: Mapping[str, Tensor], directions: Mapping[str, Tensor]
        ) -> tuple[Any, Any]:
            def of_sources(sources: Mapping[str, Tensor]) -> Any:
                everything = {**rest, **sources}
                return infer(everything, everything)

            return torch.func.jvp(of_sources, (sources,), (directions,))

        self._options = image_format == torch.channels_last, modes.options(mode)
        self._inductor = {phase: Inductor(*self._options) for phase in ("inference", "forward", "gradient", "tangent")}
        self._infer = compile_once(infer, self._inductor["inference"])
        self._loss = compile_once(loss, self._inductor["forward"])
        self._gradient = compile_once(gradient, self._inductor["gradient"])
        self._tangent = compile_once(tangent, self._inductor["tangent"])

    def gradient(self) -> tuple[Any, Mapping[str, Tensor]]:
        if self._checkpoints:  # torch.func has no checkpoints, so the pair is what a training loop runs
            return super().gradient()
        gradients, loss = self._gradient(self._detached, self._rest, self._start)
        return loss, gradients

    def tangent(self) -> tuple[Any, Any]:
        with torch.no_grad():
            return self._tangent(self._detached, self._rest, self._directions)

    def profiled(self, passes: int) -> list[Times]:
        inductor = MarkedInductor(*self._options, label_of)
        numbered, calls = copy.copy(self), len(self._graph.calls)
        numbered._loss = compile_once(self._recording(Numbered(self._ops, calls, within(annotated))), inductor)
        runs = inductor.profiled(numbered.forward, numbered.backward, self._device, passes)
        return [times_of(self._graph, events_of(ran)) for ran in runs]

    def executed(self) -> dict[str, Executed]:
        counted = dict(self._inductor["forward"].executed)
        if self._checkpoints:
            counted["gradient"] = total(counted["forward"], counted["backward"])
        for phase in self.phases:
            if phase not in counted:
                counted[phase] = self._inductor[phase].executed["forward"]
        return {phase: counted[phase] for phase in self.phases}
