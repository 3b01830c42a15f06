"""The multiplies that TensorFlow executes otherwise than asked."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from harness.workload.backprop import wants
from harness.workload.cost import CallWork, price
from harness.workload.expected import Departure, Departures
from harness.workload.ops import CATALOGUE, Work
from harness.workload.trace import Call, Graph

from ..choices import Choices
from ..common.cudnn_convolutions import CUDNN
from ..common.departures import (
    ALL_PAIRS_OF_SINGLE_CHANNELS,
    ALL_PAIRS_OF_SINGLE_CHANNELS_IN_FLOAT64,
    DELETES,
    MAY_JOIN,
    MAY_MERGE,
    MERGES,
    ZERO_TANGENTS,
    counted,
    is_depthwise,
    times,
)
from ..common.outer_products import OUTER, VECTORS
from .images import splits_groups

WHOLE_PARTS = "TensorFlow's eager recompute_grad runs a part again as a whole, to its last multiply."


def _split(graph: Graph, call: Call, asked: CallWork) -> CallWork:
    groups = call.attrs.get("groups", 1)
    if call.op != "conv2d" or groups == 1 or is_depthwise(graph, call):
        return asked

    def apart(work: Work) -> Work:
        return replace(work, matmuls=groups * work.matmuls)

    return CallWork(apart(asked.forward), apart(asked.backward), apart(asked.tangent), apart(asked.again))


PER_GROUP = Departure(
    "TensorFlow has no gradient of a grouped convolution on a CPU, so each group is a convolution of its own.", _split
)


def _loop(graph: Graph, call: Call, asked: CallWork, eager: bool) -> CallWork:
    wanting = wants(graph, call)
    if not CATALOGUE[call.op].has_loop or not any(wanting):
        return asked
    gradients = price(graph, call).gradients
    w, u = CATALOGUE[call.op].matrices
    steps, step = graph.specs[call.inputs[0]].shape[1], gradients[1]
    backward = times(steps, step)
    if wanting[u] or eager:
        backward += counted(1, steps * step.flops)
    for position in (0, w):
        if wanting[position]:
            backward += gradients[position]
    return replace(asked, backward=backward)


_AFTER = (
    "TensorFlow's loops here compute the gradient of the state's weight in one multiply after the loop, not one in "
    "each step, and that of the state before every step, the first one too."
)
AFTER_THE_LOOP = Departure(_AFTER, partial(_loop, eager=False))
AFTER_THE_EAGER_LOOP = Departure(_AFTER, partial(_loop, eager=True))


def _both(graph: Graph, call: Call, asked: CallWork) -> CallWork:
    if call.op != "conv_transpose2d" or not any(wants(graph, call)[:2]):
        return asked
    return replace(asked, backward=times(2, asked.forward))


BOTH_GRADIENTS = Departure(
    "TensorFlow's eager gradient of a transposed convolution is for image and weight, whether both are needed or not.",
    _both,
)


def _per_row(graph: Graph, call: Call, asked: CallWork) -> CallWork:
    if call.op != "cross_entropy" or not any(wants(graph, call)):
        return asked
    return replace(asked, tangent=asked.tangent + counted(1, 2 * graph.specs[call.inputs[0]].size))


PER_ROW = Departure("TensorFlow's eager forward mode takes a product for each row of a cross entropy.", _per_row)


def departures(execution: str, choices: Choices, precision: str = "fp32") -> Departures:
    """How an execution's multiplies depart from those asked for; on a GPU, grouped convolutions are not split."""
    split = [PER_GROUP] if splits_groups() else []
    pairs = ALL_PAIRS_OF_SINGLE_CHANNELS_IN_FLOAT64 if precision == "fp64" else ALL_PAIRS_OF_SINGLE_CHANNELS
    compiled = {
        "eager": [],
        "graph": [],
        "xla": [OUTER, pairs] if splits_groups() else [VECTORS, CUDNN],
    }[execution]
    may_join = MAY_JOIN if execution == "xla" and not splits_groups() else ""
    if choices.autodiff == "by_hand_recomputed" and execution != "eager":
        return Departures((DELETES, *compiled, *split), merges=MERGES, may_join=may_join)
    if choices.autodiff != "reverse":
        return Departures((*compiled, *split), may_join=may_join)
    if execution == "eager":
        return Departures((ZERO_TANGENTS, AFTER_THE_EAGER_LOOP, BOTH_GRADIENTS, PER_ROW, *split), whole=WHOLE_PARTS)
    return Departures((*compiled, ZERO_TANGENTS, AFTER_THE_LOOP, *split), may_merge=MAY_MERGE, may_join=may_join)
