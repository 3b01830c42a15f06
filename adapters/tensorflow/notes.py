"""Where TensorFlow runs other multiplies than the trace has, and why."""

from __future__ import annotations

from dataclasses import replace

from adapters.base import DEFAULT, Choices, Executed
from adapters.hlo import annotated as annotated_by_xla
from adapters.hlo import fewer, has_groups
from harness.workload.cost import phase_work
from harness.workload.trace import Graph

from .ops import splits_groups

_PER_GROUP = "TensorFlow has no gradient of a grouped convolution on a CPU, so each group is a convolution of its own."

_WHOLE_PARTS = (
    "TensorFlow's eager recompute_grad runs a part again as a whole, and differentiates for each of its inputs."
)
_ZERO_TANGENT = (
    "TensorFlow's forward mode also multiplies the tangent of an input that has none, which is zero; "
    "for its eager cross entropy it takes a product for each row."
)


def annotated(
    executed: dict[str, Executed], graph: Graph, execution: str, choices: Choices = DEFAULT
) -> dict[str, Executed]:
    """The counts, with a note where one differs from the trace's for a known reason."""
    if execution == "xla":
        noted = annotated_by_xla(executed, graph, choices)
    else:
        expected = phase_work(graph, choices.residuals, choices.autodiff)
        noted = {
            phase: replace(found, note=_reason(phase, found.matmuls - expected[phase].matmuls, execution, choices))
            for phase, found in executed.items()
        }
    if (found := noted.get("tangent")) and found.matmuls > phase_work(graph)["tangent"].matmuls:
        noted["tangent"] = replace(found, note=f"{_ZERO_TANGENT} {found.note}".strip())
    if splits_groups() and has_groups(graph, depthwise=False):
        noted = {phase: replace(found, note=f"{_PER_GROUP} {found.note}".strip()) for phase, found in noted.items()}
    return noted


def _reason(phase: str, more: int, execution: str, choices: Choices) -> str:
    """Why a choice executes more multiplies than it has to, or fewer; empty where it does neither."""
    if more > 0 and choices.residuals != "store" and execution == "eager":
        return _WHOLE_PARTS
    return fewer(phase, choices) if more < 0 else ""
