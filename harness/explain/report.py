"""What an explanation says: a table of parts, the line of factors, and likely kernel problems."""

from __future__ import annotations

import math
from typing import Any

from ..job import Device, Variant
from ..records.kernels import SLOW
from .bench import OP_BY_OP
from .factors import Explained, Factor, rates
from .parts import BYTES, Part
from .replay import Replay

COLUMNS = (
    *("op", "shape", "count", "% of forward", "% of backward", "dX / forward", "dW / forward"),
    *("GFLOP/s F", "dX", "dW", "GB/s F", "B"),
)
LEAST_SHARE = 0.01  # of the measured passes: a problem below it is none

SAYS = {
    "flops": "FLOPs",
    "mix": "mix of rates",
    "forward": "forward",
    "dX": "dX",
    "dW": "dW",
    "memory": "memory-bound ops",
    "dispatch": "dispatch",
}


def line(explained: Explained, variant: Variant) -> str:
    """The ratio as a product, and its largest factor."""
    terms = " x ".join(f"{_signed(factor)} ({_name(factor, variant)})" for factor in explained.factors)
    largest = explained.largest
    cause = f", most of it {largest.part.op} {largest.part.shape}" if largest.part else ""
    return f"{explained.ratio:.2f} = {terms}; largest: {_name(largest, variant)}{cause}"


def _name(factor: Factor, variant: Variant) -> str:
    rest = "unexplained" if variant.execution in OP_BY_OP else "fusion"
    return SAYS.get(factor.name, rest)


def _signed(factor: Factor) -> str:
    if factor.interval is None or factor.name == "flops":  # FLOPs are counted
        return f"{factor.value:.2f}"
    low, high = factor.interval
    return f"{factor.value:.2f} [{low:.2f} to {high:.2f}]"


def sums(explained: Explained) -> str:
    """How much of each measured pass the parts add up to."""
    return (
        f"the parts and their calls add up to {explained.forward_share:.0%} of forward "
        f"and {explained.backward_share:.0%} of backward"
    )


def part_row(part: Part, replay: Replay, explained: Explained) -> dict[str, Any]:
    """The numbers of one part that was measured; those that it does not have are None."""
    timed, net = replay.timed[part], explained.net[part]
    forward_s, backward_s = (math.exp(whole.centre) for whole in (replay.forward, replay.backward))
    size = BYTES[part.workload.precision]
    elements = part.dx.elements if part.dx else 0
    elements += part.dw.elements if part.dw else 0
    by_direction = rates(part, net)
    return {
        "op": part.op,
        "shape": part.shape,
        "count": part.count,
        "forward_ms": [1e3 * x for x in _ends(timed.forward)],
        "backward_ms": None if timed.backward is None else [1e3 * x for x in _ends(timed.backward)],
        "forward_share": part.count * net.forward / forward_s,
        "backward_share": part.count * net.backward / backward_s,
        "dx_over_forward": net.dx / net.forward if part.dx else None,
        "dw_over_forward": net.dw / net.forward if part.dw else None,
        "gflops": {name: rate / 1e9 for name, rate in by_direction.items()},
        "forward_gb_per_s": size * part.forward.elements / net.forward / 1e9,
        "backward_gb_per_s": size * elements / net.backward / 1e9 if net.backward else None,
    }


def _ends(estimate: Any) -> list[float]:
    """Centre and ends of an interval; without a standard error the centre alone."""
    interval = estimate.interval(0.95, "the pairs of one process")
    return [x for x in (interval.centre, interval.low, interval.high) if math.isfinite(x)]


def cells(row: dict[str, Any]) -> list[str]:
    """A row of the table as text."""
    gflops = [f"{row['gflops'][name]:.1f}" if name in row["gflops"] else "" for name in ("forward", "dX", "dW")]
    return [
        row["op"],
        row["shape"],
        str(row["count"]),
        f"{100 * row['forward_share']:.1f}",
        f"{100 * row['backward_share']:.1f}",
        *("" if row[key] is None else f"{row[key]:.2f}" for key in ("dx_over_forward", "dw_over_forward")),
        *gflops,
        *("" if row[key] is None else f"{row[key]:.1f}" for key in ("forward_gb_per_s", "backward_gb_per_s")),
    ]


def flags(replay: Replay, explained: Explained, variant: Variant, device: Device) -> list[str]:
    """The directions of an op that run at less than a third of the rate of its best one, and the command for each.

    Both 95 % intervals must say so.
    """
    whole_s = math.exp(replay.forward.centre) + math.exp(replay.backward.centre)
    problems = []
    for part, net in explained.net.items():
        by_direction, timed = rates(part, net), replay.timed[part]
        widenings = {
            name: math.exp(estimate.half_width())
            for name, estimate in (("forward", timed.forward), ("dX", timed.dx), ("dW", timed.dw))
            if estimate is not None
        }
        best = max(by_direction, key=lambda name: by_direction[name], default="")
        for name, rate in by_direction.items():
            seconds = {"forward": net.forward, "dX": net.dx, "dW": net.dw}[name]
            slow = SLOW * rate * widenings[name] < by_direction[best] / widenings[best]
            if slow and part.count * seconds > LEAST_SHARE * whole_s:
                problems.append(
                    f"likely a kernel problem: {name} of {part.op} {part.shape} runs at {rate / 1e9:.1f} GFLOP/s, "
                    f"{best} at {by_direction[best] / 1e9:.1f}; alone: {part.command(variant, device)}"
                )
    return problems
