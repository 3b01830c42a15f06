"""XLA's departure: a product whose inner dimension is one sums up nothing, so it is elementwise and no multiply."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from harness.workload.backprop import wants
from harness.workload.cost import Parts
from harness.workload.expected import Departure
from harness.workload.ops import CATALOGUE, Product, Work
from harness.workload.trace import Call, Graph


def _leave_out(graph: Graph, call: Call, parts: Parts) -> Parts:
    inputs, outputs = (tuple(graph.specs[n] for n in numbers) for numbers in (call.inputs, call.outputs))
    products = CATALOGUE[call.op].products(inputs, outputs, **call.attrs)
    wanted = {position for position, wanting in enumerate(wants(graph, call)) if wanting}
    left = [p for p in products if wanted.intersection(p.left)]
    right = [p for p in products if wanted.intersection(p.right)]
    outer = [p for p in products if p.inner == 1]
    backward = [p for p in left if p.columns == 1] + [p for p in right if p.rows == 1]
    repeated = [p for p in products[: parts.again.matmuls] if p.inner == 1]
    tangents = [p for factors in (products, left, right) for p in factors if p.inner == 1]
    return replace(
        parts,
        forward=_without(parts.forward, outer),
        backward=_without(parts.backward, backward),
        tangent=_without(parts.tangent, tangents),
        again=_without(parts.again, repeated),
    )


def _without(work: Work, outer: Iterable[Product]) -> Work:
    outer = list(outer)
    return replace(
        work,
        matmuls=work.matmuls - sum(p.times for p in outer),
        flops=work.flops - sum(p.flops for p in outer),
    )


OUTER = Departure("XLA computes a product whose inner dimension is one element by element.", _leave_out)
