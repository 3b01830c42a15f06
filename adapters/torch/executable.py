"""torch.compile of one function, which may compile once, and a count of the multiplies of what it compiles.

A call that no longer fits (another grad mode, another number of threads) raises FailOnRecompileLimitHit; torch's
default would be up to seven recompilations, and then eager, without a word.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import Any

import torch
import torch._dynamo.config as dynamo_config
import torch._functorch.config as functorch_config
from torch import fx
from torch._inductor.compile_fx import compile_fx, compile_fx_inner

from ..base import Executed
from .counting import count_graph


class Inductor:
    """torch.compile's default backend, which also counts the multiplies of the graphs that it compiles.

    `executed` has them of the graph `forward`, and of `backward` where the function records a gradient, once each is
    compiled. `mode` are the options of a mode of torch.compile.
    """

    def __init__(self, layout_optimization: bool, mode: Mapping[str, Any]) -> None:
        self.executed: dict[str, Executed] = {}
        self._config = {"layout_optimization": layout_optimization, **mode}

    def __call__(self, module: fx.GraphModule, example_inputs: Sequence[Any]) -> Callable[..., Any]:
        # Autograd's cache would hand over compiled code without a graph to count; inductor's own cache stays on.
        with functorch_config.patch(enable_autograd_cache=False):
            return compile_fx(module, example_inputs, inner_compile=self._inner_compile, config_patches=self._config)

    def _inner_compile(self, module: fx.GraphModule, example_inputs: Sequence[Any], **options: Any) -> Any:
        self.executed["backward" if options.get("is_backward") else "forward"] = count_graph(module.graph)
        return compile_fx_inner(module, example_inputs, **options)


Guards = Callable[[Sequence[Any]], list[bool]]

# Tensors, grad mode, threads. Guards on the interpreter's list of steps, which a model written by hand would not
# have, are left out: the list never changes, and checking it would bill the harness's loop to torch.
_GUARDS = {"TENSOR_MATCH", "GRAD_MODE", "GLOBAL_STATE", "DETERMINISTIC_ALGORITHMS", "TORCH_FUNCTION_STATE", "SHAPE_ENV"}


def _guards_worth_checking(guards: Sequence[Any]) -> list[bool]:
    return [guard.guard_type in _GUARDS for guard in guards]


def compile_once(
    function: Any, backend: Inductor, guards: Guards | None = _guards_worth_checking
) -> Callable[..., Any]:
    """The function, compiled at its first call; `guards` says which of torch's guards it checks in each, None all."""
    # torch keeps compiled code, and counts recompilations, by code object, which copies of a closure share.
    fresh = FunctionType(
        function.__code__.replace(), function.__globals__, function.__name__, None, function.__closure__
    )
    options = {"guard_filter_fn": guards} if guards else None
    return torch.compile(fresh, fullgraph=True, dynamic=False, backend=backend, options=options, **_ONCE)


def _once() -> dict[str, Any]:
    """Keywords of torch.compile by which a function may compile once. Torch 2.11 has none: there the process may."""
    if "recompile_limit" in inspect.signature(torch.compile).parameters:
        return {"recompile_limit": 1}
    dynamo_config.recompile_limit = 1
    return {}


_ONCE = _once()
