"""A workload compiled by torch.compile: one compiled function each for inference, for training, and for both at once.

A compiled function may compile once. A call that no longer fits it (another grad mode, another number of threads)
raises FailOnRecompileLimitHit; torch's default would be up to seven recompilations, and then eager, without a word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import Any

import numpy as np
import torch
import torch._functorch.config as functorch_config
from torch import Tensor, fx
from torch._inductor.compile_fx import compile_fx, compile_fx_inner

from harness.workload.trace import Graph

from ..base import Executed
from .counting import count_graph
from .eager import Eager


class Compiled(Eager):
    """Implements `Program`. The split pair is AOT autograd's; `gradient` is one graph without a split.

    Left to itself, inductor computes convolutions in channels_last: it converts NCHW arrays in each call, and keeps
    the converted weights for the backward pass. So arrays are stored as it computes: channels_last on a GPU; on a
    CPU NCHW, with that optimization off (resnet18, 4 images of 64 pixels: half the time of its backward pass).
    """

    def __init__(
        self, graph: Graph, arrays: Mapping[str, np.ndarray], device: torch.device, dtype: torch.dtype
    ) -> None:
        nhwc = device.type == "cuda"
        super().__init__(graph, arrays, device, dtype, torch.channels_last if nhwc else torch.contiguous_format)
        loss = self._loss

        def gradient(sources: Mapping[str, Tensor], inputs: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
            def of_sources(sources: Mapping[str, Tensor]) -> Tensor:
                return loss(sources, {**inputs, **sources})

            return torch.func.grad_and_value(of_sources)(sources)

        self._inductor = {phase: Inductor(nhwc) for phase in ("inference", "forward", "gradient")}
        self._inference = _compile(loss, self._inductor["inference"])
        self._loss = _compile(loss, self._inductor["forward"])
        self._gradient = _compile(gradient, self._inductor["gradient"])
        # With parameters that require a gradient this graph would save residuals for a second derivative.
        self._detached = {name: tensor.detach() for name, tensor in self._sources.items()}
        self._rest = {name: tensor for name, tensor in self._inputs.items() if name not in self._sources}

    def inference(self) -> Tensor:
        with torch.no_grad():
            return self._inference(self._params, self._inputs)

    def gradient(self) -> tuple[Tensor, dict[str, Tensor]]:
        gradients, loss = self._gradient(self._detached, self._rest)
        return loss, gradients

    def executed(self) -> dict[str, Executed]:
        return {
            "inference": self._inductor["inference"].forward,
            "forward": self._inductor["forward"].forward,
            "backward": self._inductor["forward"].backward,
            "gradient": self._inductor["gradient"].forward,
        }


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


def _compile(function: Any, backend: Inductor) -> Callable[..., Any]:
    # torch keeps compiled code, and counts recompilations, by code object, which copies of a closure share.
    fresh = FunctionType(
        function.__code__.replace(), function.__globals__, function.__name__, None, function.__closure__
    )
    return torch.compile(
        fresh,
        fullgraph=True,
        dynamic=False,
        backend=backend,
        recompile_limit=1,
        options={"guard_filter_fn": _guards_worth_checking},
    )


# Tensors, grad mode, threads. Guards on the interpreter's list of steps, which a model written by hand would not
# have, are left out: the list never changes, and checking it would bill the harness's loop to torch.
_GUARDS = {"TENSOR_MATCH", "GRAD_MODE", "GLOBAL_STATE", "DETERMINISTIC_ALGORITHMS", "TORCH_FUNCTION_STATE", "SHAPE_ENV"}


def _guards_worth_checking(guards: Sequence[Any]) -> list[bool]:
    return [guard.guard_type in _GUARDS for guard in guards]
