"""Which calls of an op take long inside runs of the whole."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.profiled import Times
from harness.workload.trace import Graph


def slow_in_every_run(graph: Graph, runs: Sequence[Times], least_s: float) -> set[tuple[int, str]]:
    """The calls, by number and direction, that take so many seconds or more in each run."""
    return {
        (number, name)
        for number in range(len(graph.calls))
        for name in ("forward", "backward")
        if min(run[number].get(name, 0.0) for run in runs) >= least_s
    }


def last_linear(graph: Graph) -> int:
    """The number of the last linear layer's call."""
    return max(number for number, call in enumerate(graph.calls) if call.op == "linear")
