"""How long each op call takes inside an eager run: torch's profiler, and oneDNN's log for what it does not tell apart.

The profiler gives an op of the forward pass and the node of the backward pass that belongs to it the same sequence
number, and each call of an op notes which numbers it used. What is computed again in backward, under a checkpoint, is
found within the nodes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile, record_function

from harness.workload.trace import Graph

from ..base import Unsupported
from ..common import onednn_log
from ..common.sides import shared, wanted_sides
from ..profiled import Times
from .autograd_nodes import NODE, events_below, node_above

_CALL = "call of an op "
_CONVOLUTION = f"{NODE}ConvolutionBackward0"
_PRODUCTS = {f"{NODE}MmBackward0": ("dw", "dx"), f"{NODE}AddmmBackward0": ("dx", "dw")}  # in the order of their mm

Sides = dict[int, defaultdict[str, float]]  # seconds by number of a call, then by direction


class Marks:
    """Marks each call in the profile, and notes the sequence numbers of its nodes."""

    def __init__(self) -> None:
        self.calls: dict[int, int] = {}  # by sequence number

    @contextmanager
    def of(self, number: int) -> Iterator[None]:
        """The context of the call of that number."""
        first = torch.autograd._get_sequence_nr()
        with record_function(f"{_CALL}{number}"):
            yield
        self.calls.update(dict.fromkeys(range(first, torch.autograd._get_sequence_nr()), number))


def profiled(
    forward: Callable[[], Any],
    backward: Callable[[Any], Any],
    marks: Marks,
    graph: Graph,
    device: torch.device,
    passes: int,
) -> list[Times]:
    """Run both passes under the profiler, `forward` with its ops marked; one entry for each time.

    Raises Unsupported on a GPU.
    """
    if device.type != "cpu":
        raise Unsupported("torch: its profiler's record of a GPU is not read")
    profiles: list[Times] = []
    for _ in range(passes):
        marks.calls.clear()
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            backward(forward())
        events = profiler.events() or []
        nodes = [event for event in events if event.name.startswith(NODE) and event.sequence_nr in marks.calls]
        nodes.sort(key=lambda node: node.time_range.start)
        times = _times(events, marks.calls)
        sides = _of_products(nodes, marks.calls)
        sides |= _of_convolutions(nodes, marks.calls, graph, _logged(forward, backward))
        for number, both in sides.items():
            if wanted_sides(graph, graph.calls[number]) == both.keys():
                times[number] |= shared(times[number]["backward"], both)
        profiles.append(times)
    return profiles


def _logged(forward: Callable[[], Any], backward: Callable[[Any], Any]) -> dict[str, list[float]]:
    """Seconds of the gradients of convolutions, as oneDNN logs them in a run of its own."""
    kept = forward()
    with torch.backends.mkldnn.verbose(torch.backends.mkldnn.VERBOSE_ON):
        return onednn_log.convolution_gradients(onednn_log.stdout_of(lambda: backward(kept)))


def _times(events: Sequence[FunctionEvent], calls: Mapping[int, int]) -> dict[int, dict[str, float]]:
    """Seconds of each call, forward and backward, by its number."""
    times: Sides = defaultdict(lambda: defaultdict(float))
    for event in events:
        seconds = 1e-6 * event.time_range.elapsed_us()
        if event.name.startswith(_CALL):
            number = int(event.name.removeprefix(_CALL))
            node = node_above(event)
            times[number]["forward" if node is None else "again"] += seconds
            if node is not None and node.sequence_nr in calls:
                times[calls[node.sequence_nr]]["backward"] -= seconds
        elif event.name.startswith(NODE) and event.sequence_nr in calls:
            times[calls[event.sequence_nr]]["backward"] += seconds
    return {number: dict(directions) for number, directions in times.items()}


def _of_products(nodes: Sequence[FunctionEvent], calls: Mapping[int, int]) -> Sides:
    """Seconds of dx and dw of the calls whose nodes multiply matrices, by number."""
    sides: Sides = defaultdict(lambda: defaultdict(float))
    for node in nodes:
        order = _PRODUCTS.get(node.name, ())
        products = [event for event in events_below(node) if event.name == "aten::mm"]
        if len(products) == len(order):
            for name, product in zip(order, products, strict=True):
                sides[calls[node.sequence_nr]][name] += product.time_range.elapsed_us()
    return sides


def _of_convolutions(
    nodes: Sequence[FunctionEvent], calls: Mapping[int, int], graph: Graph, logged: Mapping[str, Sequence[float]]
) -> Sides:
    """Seconds of dx and dw of convolutions, by number, if the log has each of them."""
    sides: Sides = defaultdict(lambda: defaultdict(float))
    numbers = [calls[node.sequence_nr] for node in nodes if node.name == _CONVOLUTION]
    for name, seconds in logged.items():
        wanting = [number for number in numbers if name in wanted_sides(graph, graph.calls[number])]
        if len(wanting) == len(seconds):
            for number, taken in zip(wanting, seconds, strict=True):
                sides[number][name] += taken
    return sides
