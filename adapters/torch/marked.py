"""torch.compile's default backend, whose programs tell torch's profiler which kernel they run.

The program that Inductor writes marks in the profile where it begins each kernel. What is in a kernel is known from the
nodes that it was made of.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import torch
from torch import fx
from torch._inductor.codegen.cpp import CppScheduling
from torch._inductor.scheduler import BaseSchedulerNode, Scheduler
from torch._inductor.virtualized import V
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile

from ..base import Unsupported
from .executable import Inductor

NUMBER = "number of an op"  # an annotation, which torch hands on to what it makes of a node, in the backward pass too
_KERNEL = "kernel of a model "
_MARK = "mark = torch._C._profiler._RecordFunctionFast({!r}); mark.__enter__()"  # lasts until the next one

Owner = TypeVar("Owner", bound=Hashable)  # what a node belongs to
Passes = dict[str, list[tuple[Owner | None, float]]]  # of `forward` and of `backward`: owners, if any, and seconds


class MarkedInductor(Inductor, Generic[Owner]):
    """An Inductor whose programs are the same as those of any other, but for a mark before each kernel.

    `owner` tells what a node belongs to; it has an owner if it is annotated with a number.
    """

    def __init__(self, layout_optimization: bool, mode: Mapping[str, Any], owner: Callable[[fx.Node], Owner]) -> None:
        # Inductor's cache may hold the program without marks.
        super().__init__(layout_optimization, {**mode, "fx_graph_cache": False})
        self._owner = owner
        self._kernels: list[tuple[str, Mapping[Owner | None, float]]] = []  # (pass, shares of the kernel's time)

    def profiled(
        self, forward: Callable[[], Any], backward: Callable[[Any], Any], device: torch.device, passes: int
    ) -> Iterator[Passes[Owner]]:
        """Run both passes, which this compiles in their first call, under the profiler; one entry for each time.

        Raises Unsupported on a GPU.
        """
        if device.type != "cpu":
            raise Unsupported("torch: its profiler's record of a GPU is not read")
        backward(forward())
        for _ in range(passes):
            with profile(activities=[ProfilerActivity.CPU]) as profiler:
                backward(forward())
            yield self._ran(profiler.events() or [])

    def _ran(self, events: Iterable[FunctionEvent]) -> Passes[Owner]:
        ran: Passes[Owner] = {"forward": [], "backward": []}
        for event in events:
            if event.name.startswith(_KERNEL):
                name, shares = self._kernels[int(event.name.removeprefix(_KERNEL))]
                seconds = 1e-6 * event.time_range.elapsed_us()
                ran[name] += [(owner, share * seconds) for owner, share in shares.items()]
        return ran

    def _inner_compile(self, module: fx.GraphModule, example_inputs: Sequence[Any], **options: Any) -> Any:
        name = "backward" if options.get("is_backward") else "forward"

        def begin(nodes: Sequence[BaseSchedulerNode]) -> None:
            V.graph.wrapper_code.writeline(_MARK.format(f"{_KERNEL}{len(self._kernels)}"))
            self._kernels.append((name, self._shares(nodes)))

        with _before_kernels(begin):
            return super()._inner_compile(module, example_inputs, **options)

    def _shares(self, nodes: Sequence[BaseSchedulerNode]) -> Mapping[Owner | None, float]:
        """A library's kernel has one owner; one that Inductor fused is shared by the elements that each computes."""
        main = next((node.node for node in nodes if node.is_extern() or node.is_template()), None)
        if main is not None:
            known = [origin for origin in sorted(main.origins) if number_of(origin) is not None]
            return {self._owner(known[-1]) if known else None: 1.0}  # those before are of its inputs
        elements: Counter[Owner | None] = Counter()
        for node in nodes:
            loops = math.prod(int(size) for sizes in node.get_ranges() for size in sizes)
            for origin in _computed(node.node.origins):
                elements[None if number_of(origin) is None else self._owner(origin)] += loops
        whole = elements.total()
        return {owner: one / whole for owner, one in elements.items()} if whole else {None: 1.0}


def number_of(node: fx.Node) -> int | None:
    """The number that a node is annotated with, if it is."""
    number: int | None = node.meta.get("custom", {}).get(NUMBER)
    return number


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


def _computed(origins: Iterable[fx.Node]) -> list[fx.Node]:
    """The nodes that compute something: no views or constants, and nothing that the compiler adds to an op's kernel."""
    called = [node for node in origins if node.op == "call_function"]
    known = [node for node in called if number_of(node) is not None or node.meta.get("is_gradient_acc")]
    computed = [node for node in known if node.all_input_nodes and not getattr(node.target, "is_view", False)]
    return computed or known or called
