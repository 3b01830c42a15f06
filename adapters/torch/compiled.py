"""A workload compiled by torch.compile: one compiled function each for inference, for training, and for both at once.

A compiled function may compile once. A call that no longer fits it (another grad mode, another number of threads)
raises FailOnRecompileLimitHit; torch's default would be up to seven recompilations, and then eager, without a word.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import Any

import numpy as np
import torch
import torch._dynamo.config as dynamo_config
import torch._functorch.config as functorch_config
from torch import Tensor, fx
from torch._inductor.compile_fx import compile_fx, compile_fx_inner

from harness.workload.trace import Graph

from ..base import Executed
from .counting import count_graph, total
from .eager import Eager


class Compiled(Eager):
    """Implements `Program`. The split pair is AOT autograd's; `gradient` is one graph without a split.

    Left to itself, inductor computes convolutions in channels_last: it converts NCHW arrays in each call, and keeps
    the converted weights for the backward pass. So arrays are stored as it computes: channels_last on a GPU; on a
    CPU NCHW, with that optimization off (resnet18, 4 images of 64 pixels: half the time of its backward pass).
    """

    def __init__(
        self,
        graph: Graph,
        arrays: Mapping[str, np.ndarray],
        device: torch.device,
        dtype: torch.dtype,
        image_format: torch.memory_format,
        ops: Any,
        residuals: str,
        directions: Mapping[str, np.ndarray],
    ) -> None:
        super().__init__(graph, arrays, device, dtype, image_format, ops, residuals, directions)
        infer, loss = self._infer, self._loss

        def gradient(sources: Mapping[str, Tensor], rest: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
            def of_sources(sources: Mapping[str, Tensor]) -> Tensor:
                everything = {**rest, **sources}
                return loss(everything, everything)

            return torch.func.grad_and_value(of_sources)(sources)

        def tangent(
            sources: Mapping[str, Tensor], rest: Mapping[str, Tensor], directions: Mapping[str, Tensor]
        ) -> tuple[Tensor, Tensor]:
            def of_sources(sources: Mapping[str, Tensor]) -> Tensor:
                everything = {**rest, **sources}
                return infer(everything, everything)

            return torch.func.jvp(of_sources, (sources,), (directions,))

        nhwc = image_format == torch.channels_last
        self._inductor = {phase: Inductor(nhwc) for phase in ("inference", "forward", "gradient", "tangent")}
        self._infer = compiled(infer, self._inductor["inference"])
        self._loss = compiled(loss, self._inductor["forward"])
        self._gradient = compiled(gradient, self._inductor["gradient"])
        self._tangent = compiled(tangent, self._inductor["tangent"])

    def gradient(self) -> tuple[Tensor, dict[str, Tensor]]:
        if self._checkpoints:  # torch.func has no checkpoints, so the pair is what a training loop runs
            return super().gradient()
        gradients, loss = self._gradient(self._detached, self._rest)
        return loss, gradients

    def tangent(self) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            return self._tangent(self._detached, self._rest, self._directions)

    def executed(self) -> dict[str, Executed]:
        graphs = self._inductor
        counted = {name: graphs[name].forward for name in self.phases if hasattr(graphs.get(name), "forward")}
        counted["backward"] = graphs["forward"].backward
        if self._checkpoints:
            counted["gradient"] = total(counted["forward"], counted["backward"])
        return {phase: counted[phase] for phase in self.phases}


class Inductor:
    """torch.compile's default backend, which also counts the multiplies of the graphs that it compiles."""

    forward: Executed
    backward: Executed

    def __init__(self, layout_optimization: bool) -> None:
        self._config = {"layout_optimization": layout_optimization}

    def __call__(self, module: fx.GraphModule, example_inputs: Sequence[Any]) -> Callable[..., Any]:
        # Autograd's cache would hand over compiled code without a graph to count; inductor's own cache stays on.
        with functorch_config.patch(enable_autograd_cache=False):
            return compile_fx(module, example_inputs, inner_compile=self._inner_compile, config_patches=self._config)

    def _inner_compile(self, module: fx.GraphModule, example_inputs: Sequence[Any], **options: Any) -> Any:
        counted = count_graph(module.graph)
        if options.get("is_backward"):
            self.backward = counted
        else:
            self.forward = counted
        return compile_fx_inner(module, example_inputs, **options)


def compiled(function: Any, backend: Inductor) -> Callable[..., Any]:
    # torch keeps compiled code, and counts recompilations, by code object, which copies of a closure share.
    fresh = FunctionType(
        function.__code__.replace(), function.__globals__, function.__name__, None, function.__closure__
    )
    options = {"guard_filter_fn": _guards_worth_checking}
    return torch.compile(fresh, fullgraph=True, dynamic=False, backend=backend, options=options, **_ONCE)


def _once() -> dict[str, Any]:
    """Keywords of torch.compile by which a function may compile once. Torch 2.11 has none: there the process may."""
    if "recompile_limit" in inspect.signature(torch.compile).parameters:
        return {"recompile_limit": 1}
    dynamo_config.recompile_limit = 1
    return {}


_ONCE = _once()


# Tensors, grad mode, threads. Guards on the interpreter's list of steps, which a model written by hand would not
# have, are left out: the list never changes, and checking it would bill the harness's loop to torch.
_GUARDS = {"TENSOR_MATCH", "GRAD_MODE", "GLOBAL_STATE", "DETERMINISTIC_ALGORITHMS", "TORCH_FUNCTION_STATE", "SHAPE_ENV"}


def _guards_worth_checking(guards: Sequence[Any]) -> list[bool]:
    return [guard.guard_type in _GUARDS for guard in guards]
