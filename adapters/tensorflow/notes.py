"""Where TensorFlow runs other multiplies than the trace has, and why."""

from __future__ import annotations

from dataclasses import replace

from adapters.base import Executed
from adapters.hlo import annotated as annotated_by_counts
from adapters.hlo import has_groups, has_loops
from harness.workload.trace import Graph

from .ops import splits_groups

_PER_GROUP = "TensorFlow has no gradient of a grouped convolution on a CPU, so each group is a convolution of its own."
_AFTER_THE_LOOP = "The gradient for a loop's weight is one multiply after the loop, not one in each step."


def annotated(executed: dict[str, Executed], graph: Graph, execution: str) -> dict[str, Executed]:
    """The counts, with a note where one differs from the trace's for a known reason."""
    if has_loops(graph):
        noted = annotated_by_counts(executed, graph, fewer=_AFTER_THE_LOOP)
    else:
        noted = annotated_by_counts(executed, graph) if execution == "xla" else dict(executed)
    if splits_groups() and has_groups(graph, depthwise=False):
        noted = {phase: replace(found, note=f"{_PER_GROUP} {found.note}".strip()) for phase, found in noted.items()}
    return noted
