"""Scopes in which a framework's own names of ops tell the place in the trace of the call that they belong to."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from harness.workload.trace import Graph

from ..profiled import Times
from .sides import shared, side_of, wanted_sides

_NUMBER = re.compile(r"\bcall(\d+)\.op")
_GRADIENT = re.compile(r"\btranspose\(|\bgradient_tape/")
_SIDE = re.compile(r"Backprop(Input|Filter)")  # TensorFlow's names of a convolution's gradients
_SIDES = {"Input": "dx", "Filter": "dw"}
_AGAIN = "rematted_computation/"  # within a gradient: what jax computes again under a checkpoint

# What an op is, by the pass that it runs in, and by whether its name says that it is a gradient.
_DIRECTIONS = {
    ("forward", False): "forward",
    ("forward", True): "ahead",
    ("backward", True): "backward",
    ("backward", False): "again",
}

Shape = tuple[int, ...]
Event = tuple[str, Shape, float]  # a name with scopes in it, the shape of the result, and seconds


def scope(number: int) -> str:
    """The scope of a call, by its place in the trace."""
    return f"call{number}.op"


def number_in(label: str) -> int | None:
    """The innermost call whose scope a name has."""
    numbers = _NUMBER.findall(label)
    return int(numbers[-1]) if numbers else None


def times_of(graph: Graph, passes: Mapping[str, Iterable[Event]]) -> Times:
    """Seconds of each call by direction, from what ran in the pass `forward` and in `backward`.

    An op belongs to the innermost call that its name has, and is a gradient if the name says so. What belongs to no
    call, such as a sum of gradients, is left out. dX and dW are told apart by a name that says which it is, else by the
    shape of the result, where they differ; the rest is shared among both.
    """
    times: dict[int, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    sides: dict[int, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    for name, events in passes.items():
        for label, shape, seconds in events:
            number = number_in(label)
            if number is None:
                continue
            gradient = _GRADIENT.search(label) is not None and _AGAIN not in label
            times[number][_DIRECTIONS[name, gradient]] += seconds
            if gradient and name == "backward":
                said = _SIDE.search(label)
                if side := _SIDES[said[1]] if said else side_of(graph, graph.calls[number], shape):
                    sides[number][side] += seconds
    for number, both in sides.items():
        if wanted_sides(graph, graph.calls[number]) == both.keys():
            times[number] |= shared(times[number]["backward"], both)
    return {number: dict(directions) for number, directions in times.items()}
