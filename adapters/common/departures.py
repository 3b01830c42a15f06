"""Departures that several frameworks share: how many multiplies they execute where that is not what was asked.

Those of a single framework stand in its own folder; `harness/workload/expected.py` says what one is.
"""

from __future__ import annotations

from dataclasses import replace

from harness.workload.backprop import wants
from harness.workload.cost import CallWork, price
from harness.workload.expected import Departure
from harness.workload.ops import Work
from harness.workload.trace import Call, Graph

MAY_MERGE = (
    "Forward and backward are one program, whose compiler may merge what a checkpoint recomputes with what is there."
)
MERGES = (
    "Forward and backward are one program, whose compiler merges a local gradient's recomputation with what is there."
)
MAY_JOIN = "XLA on a GPU may join multiplies that share a factor into one."


def times(n: int, work: Work) -> Work:
    """Return `n` times the work."""
    return sum([work] * n, Work())


def counted(matmuls: int, flops: int) -> Work:
    """Work of `matmuls` multiplies with `flops` FLOPs, and nothing else."""
    return Work(matmuls=matmuls, flops=flops)


def fused_attention(graph: Graph, call: Call, asked: CallWork) -> CallWork:
    """A call of attention in one kernel, whose backward pass is five multiplies, whatever has a gradient."""
    if not any(wants(graph, call)):
        return asked
    return replace(asked, backward=times(5, counted(1, asked.forward.flops // 2)))


def _deletes(graph: Graph, call: Call, asked: CallWork) -> CallWork:
    local = price(graph, call).local
    return asked if local is None else replace(asked, again=local)


DELETES = Departure(
    "Of a local gradient that is computed again, the compiler deletes what its values do not need.", _deletes
)


def _multiplies_zeros(graph: Graph, call: Call, asked: CallWork) -> CallWork:
    return replace(asked, tangent=times(3 if any(wants(graph, call)) else 1, asked.forward))


ZERO_TANGENTS = Departure(
    "Forward mode also multiplies the tangent of a factor that has none, which is zero.", _multiplies_zeros
)


def _all_pairs(graph: Graph, call: Call, asked: CallWork) -> CallWork:
    groups = call.attrs.get("groups", 1)
    if call.op != "conv2d" or groups == 1 or not wants(graph, call)[1]:
        return asked
    others = counted(0, (groups - 1) * price(graph, call).gradients[1].flops)
    return replace(asked, backward=asked.backward + others)


def _all_pairs_of_single_channels(graph: Graph, call: Call, asked: CallWork) -> CallWork:
    return _all_pairs(graph, call, asked) if is_depthwise(graph, call) else asked


_PAIRS = "XLA on a CPU computes a grouped convolution's dW for all pairs of channels and keeps those of a group."
ALL_PAIRS = Departure(_PAIRS, _all_pairs)
ALL_PAIRS_OF_SINGLE_CHANNELS = Departure(_PAIRS, _all_pairs_of_single_channels)


def _all_pairs_in_every_pass(graph: Graph, call: Call, asked: CallWork) -> CallWork:
    groups = call.attrs.get("groups", 1)
    if call.op != "conv2d" or groups == 1:
        return asked
    passes = ("forward", "backward", "tangent", "again")
    works: dict[str, Work] = {name: getattr(asked, name) for name in passes}
    return replace(asked, **{name: work + counted(0, (groups - 1) * work.flops) for name, work in works.items()})


def _single_channels_in_every_pass(graph: Graph, call: Call, asked: CallWork) -> CallWork:
    return _all_pairs_in_every_pass(graph, call, asked) if is_depthwise(graph, call) else asked


_PAIRS_IN_FLOAT64 = (
    "XLA on a CPU computes a grouped convolution in float64, forward and backward, for all pairs of channels."
)
ALL_PAIRS_IN_FLOAT64 = Departure(_PAIRS_IN_FLOAT64, _all_pairs_in_every_pass)
ALL_PAIRS_OF_SINGLE_CHANNELS_IN_FLOAT64 = Departure(_PAIRS_IN_FLOAT64, _single_channels_in_every_pass)


def is_depthwise(graph: Graph, call: Call) -> bool:
    """Whether a call is a convolution of one channel a group."""
    return call.op == "conv2d" and call.attrs.get("groups", 1) == graph.specs[call.inputs[0]].shape[-1] > 1
