"""Where TensorFlow runs other multiplies than the trace has, and why."""

from __future__ import annotations

from dataclasses import replace

from adapters.base import DEFAULT, Choices, Executed
from adapters.hlo import annotated as annotated_by_xla
from adapters.hlo import has_groups
from harness.workload.trace import Graph

from .ops import splits_groups

_PER_GROUP = "TensorFlow has no gradient of a grouped convolution on a CPU, so each group is a convolution of its own."


def annotated(
    executed: dict[str, Executed], graph: Graph, execution: str, choices: Choices = DEFAULT
) -> dict[str, Executed]:
    """The counts, with a note where one differs from the trace's for a known reason."""
    noted = annotated_by_xla(executed, graph, choices) if execution == "xla" else dict(executed)
    if splits_groups() and has_groups(graph, depthwise=False):
        noted = {phase: replace(found, note=f"{_PER_GROUP} {found.note}".strip()) for phase, found in noted.items()}
    return noted
