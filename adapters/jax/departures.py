"""The multiplies that jax executes otherwise than asked."""

from __future__ import annotations

from dataclasses import replace

from harness.workload.backprop import wants
from harness.workload.cost import CallWork, price
from harness.workload.expected import Departure, Departures
from harness.workload.ops import CATALOGUE
from harness.workload.trace import Call, Graph

from ..choices import Choices
from ..common.cudnn_convolutions import CUDNN
from ..common.departures import ALL_PAIRS, ALL_PAIRS_IN_FLOAT64, DELETES, MAY_JOIN, MAY_MERGE, MERGES, fused_attention
from ..common.outer_products import OUTER, VECTORS


def _first_state(graph: Graph, call: Call, asked: CallWork) -> CallWork:
    wanting = wants(graph, call)
    if not CATALOGUE[call.op].has_loop or wanting[1] or not any(wanting):
        return asked
    step = price(graph, call).gradients[1]
    return replace(asked, backward=asked.backward + step, tangent=asked.tangent + step)


FIRST_STATE = Departure(
    "A loop's every step is alike: the first one too computes the derivative of the state before it.", _first_state
)


# The choices of attention that are cuDNN's kernel.
FUSED = ("fused", "cudnn")


def _five_products(graph: Graph, call: Call, asked: CallWork) -> CallWork:
    return fused_attention(graph, call, asked) if call.op == "attention" else asked


RECOMPUTES = Departure(
    "cuDNN's attention computes q kᵀ again in the backward pass: five multiplies for attention, not four.",
    _five_products,
)


def departures(platform: str, choices: Choices, precision: str = "fp32") -> Departures:
    """How programs for a platform depart from what is asked; on a GPU, convolutions are cuDNN's."""
    calls = (
        [OUTER, ALL_PAIRS_IN_FLOAT64 if precision == "fp64" else ALL_PAIRS] if platform == "cpu" else [VECTORS, CUDNN]
    )
    may_join = "" if platform == "cpu" else MAY_JOIN
    if choices.autodiff == "by_hand_recomputed":
        return Departures((DELETES, *calls), merges=MERGES, may_join=may_join)
    if choices.autodiff != "reverse":
        return Departures(tuple(calls), may_join=may_join)
    if choices.attention in FUSED:
        calls.append(RECOMPUTES)
    return Departures((calls[0], FIRST_STATE, *calls[1:]), may_merge=MAY_MERGE, may_join=may_join)
