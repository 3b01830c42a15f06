"""Which gradients of a call are wanted: of its data (`dx`), of its weights (`dw`), and how they share a time."""

from __future__ import annotations

from collections.abc import Mapping

from harness.workload.backprop import wants
from harness.workload.ops import CATALOGUE
from harness.workload.trace import Call, Graph


def wanted_sides(graph: Graph, call: Call) -> frozenset[str]:
    """`dx` and `dw`, as far as the graph wants them of a call."""
    weights = CATALOGUE[call.op].weights
    return frozenset("dw" if i in weights else "dx" for i, wanted in enumerate(wants(graph, call)) if wanted)


def shared(seconds: float, sides: Mapping[str, float]) -> dict[str, float]:
    """Split seconds between both sides in proportion to their own; empty if those of one are not known."""
    whole = sum(sides.values())
    return {name: seconds * part / whole for name, part in sides.items()} if len(sides) == 2 and whole > 0 else {}


def side_of(graph: Graph, call: Call, shape: tuple[int, ...]) -> str | None:
    """Whose gradient has that shape, in any order of its axes; None if it is nobody's, or both sides'."""
    weights, sides = CATALOGUE[call.op].weights, set()
    for position, (number, wanted) in enumerate(zip(call.inputs, wants(graph, call), strict=True)):
        if wanted and _sizes(graph.specs[number].shape) == _sizes(shape):
            sides.add("dw" if position in weights else "dx")
    return sides.pop() if len(sides) == 1 else None


def _sizes(shape: tuple[int, ...]) -> list[int]:
    """The sizes that are more than one, in order of size."""
    return sorted(size for size in shape if size != 1)
