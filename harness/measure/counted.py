"""Checks that a program executes the multiplies requested of it, before anything is timed."""

from __future__ import annotations

from adapters.base import Choices, Program
from harness.workload.cost import phase_work
from harness.workload.expected import Departures, expected
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
    for phase, executed in program.executed().items():
        total = executed.matmuls, executed.flops
        if reason := expectations[phase].failure(phase, total, executed.recomputed):
            raise Failure(Outcome.INVALID, reason)
        differs = total != (requested[phase].matmuls, requested[phase].flops)
        note = expectations[phase].says if differs else ""
        counts[phase] = Counted(executed.matmuls, executed.flops, executed.seen, note)
    return counts
