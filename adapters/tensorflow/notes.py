"""Where TensorFlow runs other multiplies than the trace has, and why."""

from __future__ import annotations

from dataclasses import replace

from adapters.base import DEFAULT, Choices, Executed
from adapters.notes import annotated as annotated_by_counts
from adapters.notes import fewer, has_groups, has_loops
from harness.workload.cost import phase_work
from harness.workload.trace import Graph

from .images import splits_groups

_PER_GROUP = "TensorFlow has no gradient of a grouped convolution on a CPU, so each group is a convolution of its own."
_AFTER_THE_LOOP = "The gradient for a loop's weight is one multiply after the loop, not one in each step."

_WHOLE_PARTS = "TensorFlow's eager recompute_grad runs a part again as a whole, to its last multiply."
_ZERO_TANGENT = (
    "TensorFlow's forward mode also multiplies the tangent of an input that has none, which is zero; "
    "for its eager cross entropy it takes a product for each row."
)


def annotated(
    executed: dict[str, Executed], graph: Graph, execution: str, choices: Choices = DEFAULT
) -> dict[str, Executed]:
    """The counts, with a note where one differs from the trace's for a known reason."""
    expected = phase_work(graph, choices.residuals, choices.autodiff)
    if has_loops(graph):
        noted = annotated_by_counts(executed, graph, choices, otherwise=_AFTER_THE_LOOP)
    elif execution == "xla":
        noted = annotated_by_counts(executed, graph, choices)
    else:
        noted = {
            phase: replace(
                found, note=fewer(phase, executed, choices) if found.matmuls < expected[phase].matmuls else ""
            )
            for phase, found in executed.items()
        }
    for phase, found in noted.items():
        if found.matmuls <= expected[phase].matmuls:
            continue
        if phase == "tangent":
            noted[phase] = replace(found, note=f"{_ZERO_TANGENT} {found.note}".strip())
        elif choices.residuals != "store" and execution == "eager":
            noted[phase] = replace(found, note=f"{_WHOLE_PARTS} {found.note}".strip())
    if splits_groups() and has_groups(graph, depthwise=False):
        noted = {phase: replace(found, note=f"{_PER_GROUP} {found.note}".strip()) for phase, found in noted.items()}
    return noted
