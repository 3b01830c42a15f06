"""Which calls of a trace are recomputed in the backward pass, under each choice of residuals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from .backprop import wants
from .ops import CATALOGUE
from .trace import Call, Graph


@dataclass(frozen=True)
class Segment:
    """Calls that follow each other, the values that they take from before and those that they leave for later."""

    calls: tuple[Call, ...]
    recomputed: bool
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def segments(graph: Graph, residuals: str) -> list[Segment]:
    """The trace in order: with `store` as it is, with `blocks` or `all` in parts of which only the inputs are kept."""
    if residuals == "all":
        return [_segment(graph, graph.calls, True)]
    blocks = [(name, tuple(calls)) for name, calls in groupby(graph.calls, lambda call: call.block)]
    return [_segment(graph, calls, residuals == "blocks" and bool(name)) for name, calls in blocks]


def _segment(graph: Graph, calls: tuple[Call, ...], recomputed: bool) -> Segment:
    inside = {number for call in calls for number in call.outputs}
    taken = dict.fromkeys(number for call in calls for number in call.inputs if number not in inside)
    used_outside = {n for call in graph.calls if call not in calls for n in call.inputs} | set(graph.outputs)
    return Segment(calls, recomputed, tuple(taken), tuple(n for c in calls for n in c.outputs if n in used_outside))


def recomputed_calls(graph: Graph, residuals: str) -> list[Call]:
    """The calls that must run again for the backward pass.

    A block's last multiply is not among them where nothing in the block reads its result: torch stops before it,
    XLA deletes it.
    """
    parts = [segment.calls for segment in segments(graph, residuals) if segment.recomputed]
    return [call for calls in parts for call in _needed(graph, calls)]


def _needed(graph: Graph, calls: Sequence[Call]) -> list[Call]:
    """Return the calls of a block whose results its backward pass reads, or another needed call does."""
    read: set[int] = set()
    needed = []
    for call in reversed(calls):
        op, wanting = CATALOGUE[call.op], wants(graph, call)
        again = bool(read.intersection(call.outputs))
        if again:
            needed.append(call)
        if again or (any(wanting) and op.caches):
            read.update(call.inputs)
        elif any(wanting):
            read.update(call.inputs[position] for position in op.reads(wanting))
    return needed[::-1]
