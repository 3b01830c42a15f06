"""The multiplies that torch executes otherwise than asked."""

from __future__ import annotations

from dataclasses import replace

from harness.workload.backprop import wants
from harness.workload.cost import Parts
from harness.workload.expected import Departure, Departures
from harness.workload.trace import Call, Graph

from ..base import Choices
from ..common.departures import DELETES, ZERO_TANGENTS, counted, times

MAY_KEEP = "torch.compile keeps some results of a checkpointed part, and computes others again."


def _five_products(graph: Graph, call: Call, parts: Parts) -> Parts:
    wanting = wants(graph, call)
    biased = len(wanting) == 4 and wanting[3]  # a mask with a gradient is for separate multiplies
    if call.op != "attention" or biased or not any(wanting):
        return parts
    return replace(parts, backward=times(5, counted(1, parts.forward.flops // 2)))


RECOMPUTES = Departure(
    "torch's fused attention computes q kᵀ again in the backward pass: five multiplies for attention, not four.",
    _five_products,
)


def _both_of_each(graph: Graph, call: Call, parts: Parts) -> Parts:
    if call.op != "lstm" or not any(wants(graph, call)):
        return parts
    return replace(parts, backward=times(2, parts.forward))


EVERY_GRADIENT = Departure(
    "torch's fused LSTM computes the gradients of its first state and of its input, whether they are needed or not.",
    _both_of_each,
)


def departures(execution: str, choices: Choices) -> Departures:
    """Compiled, an LSTM is not fused."""
    compiled = execution == "compile"
    if choices.autodiff != "reverse":
        return Departures((DELETES,) if compiled and choices.autodiff == "by_hand_recomputed" else ())
    calls = [ZERO_TANGENTS]
    if choices.attention != "unfused":
        calls.append(RECOMPUTES)
    if not compiled:
        return Departures((*calls, EVERY_GRADIENT))
    return Departures(tuple(calls), may_keep=MAY_KEEP)
