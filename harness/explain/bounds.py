"""The least time that each pass of an op can take on this machine, by its ceilings, and what takes less than that.

A pass must run its multiplies, at the highest rate that any multiply reached in that direction, and must read and write
each of its arrays once, as fast as arrays of that size were ever copied. Whichever takes longer is its lower bound. A
pass that is faster shows that an assumption behind the bound is wrong; the likeliest one is named.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..measure.stats import Estimate
from ..workload.backprop import wants
from ..workload.ops import CATALOGUE
from .factors import Explained
from .parts import BYTES, Part
from .replay import Replay
from .roofline import Roofline

COLUMNS = ("op", "shape", "pass", "bound ms", "by", "alone ms", "% of its bound's rate")
RATE, MEMORY, CALLS = "multiplies", "memory", "calls"
MOVED = 3.0  # bytes that pass this many times faster than copies do are not moved at all

_TOO_LOW = "the ceiling was measured too low (the machine was busier then), or fewer multiplies run than are counted"
_WINOGRAD = f"an algorithm with fewer multiplies than are counted (Winograd), or {_TOO_LOW.partition(',')[0]}"
_UNMOVED = "its arrays are not moved: it is a view of them, or waits until something reads them"
_NEARER = "its arrays stay in a nearer cache than those of the copies did, or bandwidth was measured too low"
_HANDED_ON = (
    "what one op hands to the next does not go through memory (fusion), or stays in a nearer cache than copies did"
)


@dataclass(frozen=True)
class Bound:
    """The least seconds of one pass of a part, what sets them, and those that were measured.

    It is set by `RATE` or `MEMORY`, or where both are 0 by `CALLS`, which no time here includes.
    `slowest_s` is the upper end of the measured interval, or the measured time if it has none.
    """

    part: Part
    name: str
    least_s: float
    by: str
    measured_s: float
    slowest_s: float

    @property
    def is_beaten(self) -> bool:
        """Whether all of the measured interval is below the bound."""
        return self.slowest_s < self.least_s


def bounds(roofline: Roofline, measured: Replay, explained: Explained) -> list[Bound]:
    """The bound of each pass of the parts that were measured, the slowest part first; no time includes calling."""
    parts = sorted(explained.net, key=lambda p: -p.count * (explained.net[p].forward + explained.net[p].backward))
    limits = []
    for part in parts:
        net, timed = explained.net[part], measured.timed[part]
        passes = [("forward", net.forward, timed.forward), ("backward", net.backward, timed.backward)]
        for name, seconds, estimate in passes:
            if estimate is not None:
                least_s, by = least_seconds(roofline, part, name)
                limits.append(Bound(part, name, least_s, by, seconds, seconds * _widening(estimate)))
    return limits


def _widening(estimate: Estimate) -> float:
    """The upper end of an interval over its centre; 1 without an interval."""
    half_width = estimate.half_width()
    return 1.0 if math.isnan(half_width) else math.exp(half_width)


def least_seconds(roofline: Roofline, part: Part, name: str) -> tuple[float, str]:
    """The lower bound of forward or backward of one call, in seconds, and what sets it."""
    sides = ("forward",) if name == "forward" else ("dX", "dW")
    works = part.works
    multiplying = sum(works[side].flops / roofline.peak(side) for side in sides if side in works and works[side].flops)
    size = least_bytes(part, name)
    moving = size / roofline.bandwidth(size)
    if not max(multiplying, moving):
        return 0.0, CALLS
    return (multiplying, RATE) if multiplying >= moving else (moving, MEMORY)


def least_bytes(part: Part, name: str) -> int:
    """Bytes of the arrays that a pass cannot do without, each read or written once."""
    graph = part.workload.graph
    (call,) = graph.calls
    inputs, outputs = ([graph.specs[number].size for number in numbers] for numbers in (call.inputs, call.outputs))
    if name == "forward":
        once = sum(inputs) + sum(outputs)
    else:
        wanted = wants(graph, call)
        once = sum(outputs) + sum(size for size, needed in zip(inputs, wanted, strict=True) if needed)
        once += sum(inputs[position] for position in CATALOGUE[call.op].reads(wanted))
    return BYTES[part.workload.precision] * min(once, part.works[name].elements)


def beaten(limits: Sequence[Bound], measured: Replay) -> list[str]:
    """A sentence for each pass, of an op or of all together, that beats its bound: which assumption is wrong."""
    texts = [
        f"{limit.name} of {limit.part.op} {limit.part.shape} takes {1e3 * limit.measured_s:.3g} ms, less than its "
        f"bound of {1e3 * limit.least_s:.3g} ms by {limit.by}: {_wrong(limit)}"
        for limit in limits
        if limit.is_beaten
    ]
    for name, estimate in (("forward", measured.forward), ("backward", measured.backward)):
        own = [limit for limit in limits if limit.name == name]
        least_s = sum(limit.part.count * limit.least_s for limit in own)
        multiplying_s = sum(limit.part.count * limit.least_s for limit in own if limit.by == RATE)
        seconds = math.exp(estimate.centre)
        if (slowest_s := seconds * _widening(estimate)) < least_s:
            wrong = _TOO_LOW if slowest_s < multiplying_s else _HANDED_ON
            texts.append(
                f"{name} of the whole takes {1e3 * seconds:.3g} ms, less than the bounds of its ops together, "
                f"{1e3 * least_s:.3g} ms: {wrong}"
            )
    return texts


def _wrong(limit: Bound) -> str:
    """The assumption that most likely is wrong."""
    if limit.by == RATE:
        return _WINOGRAD if limit.part.workload.graph.images else _TOO_LOW
    return _UNMOVED if limit.measured_s * MOVED < limit.least_s else _NEARER


def rows(limits: Sequence[Bound]) -> list[dict[str, Any]]:
    """The bounds of each part, JSON-ready."""
    return [
        {
            "op": limit.part.op,
            "shape": limit.part.shape,
            "pass": limit.name,
            "bound_ms": 1e3 * limit.least_s,
            "by": limit.by,
            "ms": 1e3 * limit.measured_s,
        }
        for limit in limits
    ]


def cells(row: dict[str, Any]) -> list[str]:
    """A row of the table as text."""
    shows_bound = row["by"] != CALLS
    bound, share = (f"{row['bound_ms']:.3g}", f"{100 * row['bound_ms'] / row['ms']:.0f}") if shows_bound else ("", "")
    return [row["op"], row["shape"], row["pass"], bound, row["by"], f"{row['ms']:.3g}", share]
