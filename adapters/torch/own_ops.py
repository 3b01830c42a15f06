"""Numbers the ops of a user's own torch model, so that torch's profiler can tell each of them apart in a compiled run.

An op is what the model's code calls: a node of the graph that Dynamo traces, with all that torch makes of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, fx, nn
from torch._functorch.autograd_function import autograd_function_apply

from ..common.own_ops import OwnOp, line_of, written
from .marked import NUMBER, MarkedInductor, number_of
from .own_profiled import without_numbers

_FRAME = re.compile(r'File "(.+)", line (\d+)')


class NumberedInductor(MarkedInductor[int | None]):
    """torch.compile's default backend, whose programs mark their kernels; `calls` are the ops, as traced.

    `mode` are the options of a mode of torch.compile. Modules are known by name where `parameters` is one.
    """

    def __init__(self, mode: Mapping[str, Any], parameters: Any) -> None:
        super().__init__(False, mode, number_of)
        modules = parameters.named_modules() if isinstance(parameters, nn.Module) else ()
        self._modules = {str(id(module)): without_numbers(path) or type(module).__name__ for path, module in modules}
        self.calls: list[OwnOp] = []

    def __call__(self, module: fx.GraphModule, example_inputs: Sequence[Any]) -> Callable[..., Any]:
        self._number(module)
        return super().__call__(module, example_inputs)

    def _number(self, module: fx.GraphModule, within: int | None = None) -> None:
        """Annotate each op with its number, or with that of the function of the model's own that it runs within."""
        for node in module.graph.nodes:
            if node.op not in ("call_function", "call_method"):
                continue
            number = len(self.calls) if within is None else within
            if within is None:
                self.calls.append(self._op(node))
            node.meta["custom"] = {**node.meta.get("custom", {}), NUMBER: number}
            for argument in node.all_input_nodes:
                part = getattr(module, str(argument.target), None) if argument.op == "get_attr" else None
                if isinstance(part, fx.GraphModule):
                    self._number(part, number if node.target is autograd_function_apply else within)

    def _op(self, node: fx.Node) -> OwnOp:
        name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
        values = (argument.meta.get("example_value") for argument in node.all_input_nodes)
        shapes = written(tuple(value.shape) for value in values if isinstance(value, Tensor))
        callers = [self._modules.get(key.partition("@")[0]) for key in node.meta.get("nn_module_stack", {})]
        caller = next((name for name in reversed(callers) if name), "")
        frames = [(file, int(line)) for file, line in _FRAME.findall(node.stack_trace or "")]
        return OwnOp(str(name), shapes, ("", caller) if caller else (), line_of(reversed(frames)))
