"""The multiplies of a program against those that were asked for, before anything is timed."""

from __future__ import annotations

from adapters.base import Choices, Program
from harness.workload.cost import phase_work
from harness.workload.expected import Departures, expected
from harness.workload.trace import Graph

from .protocol import Counted, Failure, Outcome


def counted(program: Program, graph: Graph, departures: Departures, choices: Choices) -> dict[str, Counted]:
    """Multiplies of each phase, with the sentence that says why where they are not those asked for.

    Raises Failure where they are not what the departures come to either.
    """
    asked = phase_work(graph, choices.residuals, choices.autodiff)
    wanted = expected(graph, departures, choices.residuals, choices.autodiff)
    answer = {}
    for phase, found in program.executed().items():
        executed = found.matmuls, found.flops
        if reason := wanted[phase].failure(phase, executed, found.recomputed):
            raise Failure(Outcome.INVALID, reason)
        differs = executed != (asked[phase].matmuls, asked[phase].flops)
        note = wanted[phase].says if differs else ""
        answer[phase] = Counted(found.matmuls, found.flops, found.seen, note)
    return answer
