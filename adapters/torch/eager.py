"""A workload run op by op, with gradients from torch's autograd."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from harness.workload.interpret import interpreter

from ..base import Executed
from ..common.numbered import Numbered, within
from ..common.program import Core, CoreRequest
from ..profiled import Times
from . import layout
from .counting import count_phases
from .mixed import autocast
from .profiled import Marks, profiled
from .residuals import bytes_kept_by, residual_bytes


class Eager(Core):
    """A forward pass returns the loss, and the same loss with its autograd graph; so for each output of an op alone."""

    def __init__(
        self,
        request: CoreRequest,
        device: torch.device,
        dtype: torch.dtype,
        image_format: torch.memory_format,
        ops: Any,
        residuals: str,
        mixed: bool,
    ) -> None:
        graph = request.graph
        self._axes = layout.axes_of(graph)

        def place(name: str, array: np.ndarray) -> Tensor:
            narrow = mixed and name in graph.activations
            return layout.place(array, self._axes[name], device, torch.bfloat16 if narrow else dtype, image_format)

        arrays = {name: place(name, request.arrays[name]) for name in self._axes}
        along = {name: place(name, request.directions[name]) for name in graph.sources if name in request.directions}
        self._sources = {name: arrays[name].requires_grad_() for name in graph.sources}
        self._params = {name: arrays[name] for name in graph.params}
        self._inputs = {name: arrays[name] for name in graph.inputs}
        self._wanted = tuple(self._sources.values())
        # Under torch.func, parameters that require a gradient would record one for a second derivative.
        self._detached = {name: tensor.detach() for name, tensor in self._sources.items()}
        self._rest = {name: tensor for name, tensor in arrays.items() if name not in self._sources}
        super().__init__(replace(request, arrays=self._rest | self._detached, directions=along))
        self._start = graph.start(arrays, None)
        self._checkpoints = residuals != "store"
        self._infer: Callable[..., Any] = interpreter(graph, ops)
        self._ops, self._residuals, self._device, self._mixed = ops, residuals, device, mixed
        self._loss = self._recording(ops)
        if mixed:
            self._infer = autocast(self._infer, device)
            self._start = self._in_types_of_outputs()

    def _recording(self, ops: Any) -> Callable[..., Any]:
        """The loss as forward computes it, with checkpoints, of (parameters, inputs)."""
        loss = interpreter(self._graph, ops, self._residuals, _checkpoint)
        return autocast(loss, self._device) if self._mixed else loss

    def inference(self) -> Any:
        with torch.no_grad():
            return self._infer(self._params, self._inputs)

    def forward(self) -> tuple[Any, Any]:
        result = self._loss(self._params, self._inputs)
        detached = tuple(y.detach() for y in result) if isinstance(result, tuple) else result.detach()
        return detached, result

    def backward(self, kept: tuple[Any, Any]) -> dict[str, Tensor]:
        # Not Tensor.backward, which would also add to .grad.
        return dict(zip(self._sources, torch.autograd.grad(kept[1], self._wanted, self._start), strict=True))

    def tangent(self) -> tuple[Any, Any]:
        with torch.no_grad():
            return torch.func.jvp(self._of_sources, (self._detached,), (self._directions,))

    def _in_types_of_outputs(self) -> Any:
        """The cotangents as autograd would convert them in every call: some ops return float32 under autocast."""
        if self._start is None:
            return None
        outputs = Eager.inference(self)
        return tuple(dy.to(y.dtype) for dy, y in zip(self._start, outputs, strict=True))

    def _of_sources(self, sources: Mapping[str, Tensor]) -> Any:
        everything = {**self._rest, **sources}
        return self._infer(everything, everything)

    def export(self, gradients: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
        return layout.export(gradients, self._axes)

    def residual_bytes(self, kept: tuple[Any, Any]) -> int:
        outputs = kept[0] if isinstance(kept[0], tuple) else ()
        given = (*self._params.values(), *self._inputs.values(), *outputs)
        return bytes_kept_by(self.forward, given) if self._checkpoints else residual_bytes(kept[1], given)

    def executed(self) -> dict[str, Executed]:
        return count_phases(self)

    def profiled(self, passes: int) -> list[Times]:
        marks = Marks()
        plain, self._loss = self._loss, self._recording(Numbered(self._ops, len(self._graph.calls), within(marks.of)))
        try:
            return profiled(self.forward, self.backward, marks, self._graph, self._device, passes)
        finally:
            self._loss = plain


def _checkpoint(function: Callable[..., Any]) -> Callable[..., Any]:
    """Checkpoint a function as torch's documentation advises; nothing is random, so no random state is kept."""
    return partial(checkpoint, function, use_reentrant=False, preserve_rng_state=False)
