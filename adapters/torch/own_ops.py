"""Numbers the ops of a user's own torch model, so that torch's profiler can tell each of them apart in a compiled run.

An op is what the model's code calls: a node of the graph that Dynamo traces. Its number is an annotation of the node,
which torch hands on to what it makes of the node, in the backward pass too. The program that Inductor writes then marks
in the profile where it begins each kernel, whose ops are those of the nodes that it was made of.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, fx, nn
from torch._functorch.autograd_function import autograd_function_apply
from torch._inductor.codegen.cpp import CppScheduling
from torch._inductor.scheduler import BaseSchedulerNode, Scheduler
from torch._inductor.virtualized import V
from torch.autograd.profiler_util import FunctionEvent

from ..common.own_ops import OwnOp, Ran, line_of, written
from .executable import Inductor
from .own_profiled import without_numbers

_NUMBER = "number of an op"
_KERNEL = "kernel of a model "
_MARK = "mark = torch._C._profiler._RecordFunctionFast({!r}); mark.__enter__()"  # lasts until the next one
_FRAME = re.compile(r'File "(.+)", line (\d+)')

Shares = Mapping[int | None, float]  # of a kernel, by the number of an op; None is of no op


class NumberedInductor(Inductor):
    """torch.compile's default backend, whose programs mark their kernels; `calls` are the ops, as traced.

    `mode` are the options of a mode of torch.compile. Modules are known by name where `parameters` is one.
    """

    def __init__(self, mode: Mapping[str, Any], parameters: Any) -> None:
        super().__init__(False, {**mode, "fx_graph_cache": False})  # which may hold the program without marks
        modules = parameters.named_modules() if isinstance(parameters, nn.Module) else ()
        self._modules = {str(id(module)): without_numbers(path) or type(module).__name__ for path, module in modules}
        self._kernels: list[tuple[str, Shares]] = []  # (pass, shares)
        self.calls: list[OwnOp] = []

    def __call__(self, module: fx.GraphModule, example_inputs: Sequence[Any]) -> Callable[..., Any]:
        self._number(module)
        return super().__call__(module, example_inputs)

    def ran(self, events: Iterable[FunctionEvent]) -> dict[str, list[Ran]]:
        """What ran in each pass, from a profile of both."""
        passes: dict[str, list[Ran]] = {"forward": [], "backward": []}
        for event in events:
            if event.name.startswith(_KERNEL):
                name, shares = self._kernels[int(event.name.removeprefix(_KERNEL))]
                seconds = 1e-6 * event.time_range.elapsed_us()
                passes[name] += [(number, share * seconds) for number, share in shares.items()]
        return passes

    def _number(self, module: fx.GraphModule, within: int | None = None) -> None:
        """Annotate each op with its number, or with that of the function of the model's own that it runs within."""
        for node in module.graph.nodes:
            if node.op not in ("call_function", "call_method"):
                continue
            number = len(self.calls) if within is None else within
            if within is None:
                self.calls.append(self._op(node))
            node.meta["custom"] = {**node.meta.get("custom", {}), _NUMBER: number}
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

    def _inner_compile(self, module: fx.GraphModule, example_inputs: Sequence[Any], **options: Any) -> Any:
        name = "backward" if options.get("is_backward") else "forward"

        def begin(nodes: Sequence[BaseSchedulerNode]) -> None:
            V.graph.wrapper_code.writeline(_MARK.format(f"{_KERNEL}{len(self._kernels)}"))
            self._kernels.append((name, _shares(nodes)))

        with _before_kernels(begin):
            return super()._inner_compile(module, example_inputs, **options)


@contextmanager
def _before_kernels(begin: Callable[[Sequence[BaseSchedulerNode]], None]) -> Iterator[None]:
    """Call `begin` with what a kernel is made of, before Inductor writes the call of it for a CPU."""
    before = CppScheduling.codegen_comment, Scheduler.codegen_extern_call

    def of_fused(self: Any, nodes: Sequence[BaseSchedulerNode], kernel_name: str | None = None) -> None:
        begin(nodes)
        before[0](self, nodes, kernel_name)

    def of_library(self: Any, node: BaseSchedulerNode) -> None:
        begin([node])
        before[1](self, node)

    CppScheduling.codegen_comment, Scheduler.codegen_extern_call = of_fused, of_library
    try:
        yield
    finally:
        CppScheduling.codegen_comment, Scheduler.codegen_extern_call = before


def _shares(nodes: Sequence[BaseSchedulerNode]) -> Shares:
    """A library's kernel is of one op; one that Inductor has fused is shared by the elements that each op computes."""
    main = next((node.node for node in nodes if node.is_extern() or node.is_template()), None)
    if main is not None:
        numbers = [number for origin in sorted(main.origins) if (number := _number_of(origin)) is not None]
        return {numbers[-1] if numbers else None: 1.0}  # those before are of its inputs
    elements: Counter[int | None] = Counter()
    for node in nodes:
        loops = math.prod(int(size) for sizes in node.get_ranges() for size in sizes)
        for origin in _computed(node.node.origins):
            elements[_number_of(origin)] += loops
    whole = elements.total()
    return {number: one / whole for number, one in elements.items()} if whole else {None: 1.0}


def _computed(origins: Iterable[fx.Node]) -> list[fx.Node]:
    """The nodes that compute something: no views or constants, and nothing that the compiler adds to an op's kernel."""
    called = [node for node in origins if node.op == "call_function"]
    known = [node for node in called if _number_of(node) is not None or node.meta.get("is_gradient_acc")]
    computed = [node for node in known if node.all_input_nodes and not getattr(node.target, "is_view", False)]
    return computed or known or called


def _number_of(node: fx.Node) -> int | None:
    number: int | None = node.meta.get("custom", {}).get(_NUMBER)
    return number
