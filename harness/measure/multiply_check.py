"""Checks that a program executes the multiplies requested of it, before anything is timed."""

from __future__ import annotations

from collections.abc import Mapping

from adapters.base import Executed, Program
from adapters.choices import Choices
from harness.workload.cost import phase_work
from harness.workload.expected import Departures, Expected, expected
from harness.workload.trace import Graph

from .protocol import Counted, Failure, Outcome


def counted(program: Program, graph: Graph, departures: Departures, choices: Choices) -> dict[str, Counted]:
    """Count the multiplies that each phase of a program executes.

    Args:
        program: the loaded program.
        graph: the trace that it runs.
        departures: the adapter's known differences from what the trace and the choices request.
        choices: how the framework was to compute the workload.

    Returns:
        The counts by phase. A count that differs from the requested one has a note that says why.

    Raises:
        Failure: a count is neither the requested one nor explained by the departures.
    """
    requested = phase_work(graph, choices.residuals, choices.autodiff)
    expectations = expected(graph, departures, choices.residuals, choices.autodiff)
    counts = {}
    program_counts = program.executed()
    for phase, executed in program_counts.items():
        total = executed.matmuls, executed.flops
        like = phase.removesuffix("_local")  # a reduction among replicas multiplies nothing
        if reason := expectations[like].failure(phase, total, executed.recomputed):
            raise Failure(Outcome.INVALID, reason + _moved(phase, program_counts, expectations))
        differs = total != (requested[like].matmuls, requested[like].flops)
        note = expectations[like].says if differs else ""
        counts[phase] = Counted(executed.matmuls, executed.flops, executed.seen, note)
    return counts


def _moved(phase: str, executed: Mapping[str, Executed], expectations: Mapping[str, Expected]) -> str:
    """Say of a wrong count what it looks like: work moved between the passes; empty if it does not."""
    if phase not in ("forward", "backward"):
        return ""
    forward, backward = (
        executed[name].flops - expectations[name].most[1] if name in executed else 0 for name in ("forward", "backward")
    )
    if forward > 0 and forward == -backward:
        return "; what forward has too many, backward has too few: it looks like gradient work moved into forward"
    if phase == "backward" and 0 < backward <= expectations["forward"].most[1]:
        share = backward / expectations["forward"].most[1]
        return f"; these are {share:.0%} of forward's FLOPs more: it looks like forward work computed again"
    return ""
