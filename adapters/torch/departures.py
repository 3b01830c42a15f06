"""The multiplies that torch executes otherwise than asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from harness.workload.backprop import wants
from harness.workload.cost import CallWork
from harness.workload.expected import Departure, Departures
from harness.workload.trace import Call, Graph

from ..choices import Choices
from ..common.departures import DELETES, ZERO_TANGENTS, fused_attention, times

IN_ORDER = "torch's checkpoint runs a part again op by op, up to the last one of which backward needs something."
MAY_KEEP = "torch.compile keeps some results of a checkpointed part, and computes others again."


def _recomputes(is_fused: Callable[[Graph, Call], bool]) -> Departure:
    def five_products(graph: Graph, call: Call, asked: CallWork) -> CallWork:
        return fused_attention(graph, call, asked) if call.op == "attention" and is_fused(graph, call) else asked

    return Departure(
        "torch's fused attention computes q kᵀ again in the backward pass: five multiplies for attention, not four.",
        five_products,
    )


def _both_of_each(graph: Graph, call: Call, asked: CallWork) -> CallWork:
    if call.op != "lstm" or not any(wants(graph, call)):
        return asked
    return replace(asked, backward=times(2, asked.forward))


EVERY_GRADIENT = Departure(
    "torch's fused LSTM computes the gradients of its first state and of its input, whether they are needed or not.",
    _both_of_each,
)


def departures(
    execution: str, choices: Choices, is_fused: Callable[[Graph, Call], bool], fuses_lstms: bool
) -> Departures:
    """How an execution's multiplies depart from those asked for.

    `is_fused` says whether a call of attention runs in one kernel, `fuses_lstms` whether an uncompiled LSTM does.
    """
    compiled = execution == "compile"
    if choices.autodiff != "reverse":
        return Departures((DELETES,) if compiled and choices.autodiff == "by_hand_recomputed" else ())
    calls = [ZERO_TANGENTS]
    if choices.attention != "unfused":
        calls.append(_recomputes(is_fused))
    if not compiled:
        return Departures((*calls, EVERY_GRADIENT) if fuses_lstms else tuple(calls), in_order=IN_ORDER)
    return Departures(tuple(calls), may_keep=MAY_KEEP)
