"""XLA's departures for thin products, which it computes element by element, and which are no multiplies then.

A product whose inner dimension is one sums up nothing. On a GPU, XLA also writes the product of a matrix and a vector
as an elementwise product and a sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from harness.workload.backprop import wants
from harness.workload.cost import CallWork
from harness.workload.expected import Departure
from harness.workload.ops import CATALOGUE, Product, Work
from harness.workload.trace import Call, Graph


def _leave_out(graph: Graph, call: Call, asked: CallWork) -> CallWork:
    products, left, right = _products(graph, call)
    outer = [p for p in products if p.inner == 1]
    backward = [p for p in left if p.columns == 1] + [p for p in right if p.rows == 1]
    repeated = [p for p in products[: asked.again.matmuls] if p.inner == 1]
    tangents = [p for factors in (products, left, right) for p in factors if p.inner == 1]
    return _parts_without(asked, outer, backward, tangents, repeated)


def _leave_out_vectors(graph: Graph, call: Call, asked: CallWork) -> CallWork:
    factors = _products(graph, call)
    products, left, right = ([p for p in some if 1 in (p.rows, p.inner, p.columns)] for some in factors)
    repeated = [p for p in factors[0][: asked.again.matmuls] if p in products]
    return _parts_without(asked, products, left + right, products + left + right, repeated)


def _products(graph: Graph, call: Call) -> tuple[Sequence[Product], Sequence[Product], Sequence[Product]]:
    """The products of a call, those whose left factor has a gradient, and those whose right factor has one."""
    inputs, outputs = (tuple(graph.specs[n] for n in numbers) for numbers in (call.inputs, call.outputs))
    products = CATALOGUE[call.op].products(inputs, outputs, **call.attrs)
    wanted = {position for position, wanting in enumerate(wants(graph, call)) if wanting}
    left = [p for p in products if wanted.intersection(p.left)]
    return products, left, [p for p in products if wanted.intersection(p.right)]


def _parts_without(
    asked: CallWork,
    forward: Iterable[Product],
    backward: Iterable[Product],
    tangent: Iterable[Product],
    repeated: Iterable[Product],
) -> CallWork:
    return replace(
        asked,
        forward=_without(asked.forward, forward),
        backward=_without(asked.backward, backward),
        tangent=_without(asked.tangent, tangent),
        again=_without(asked.again, repeated),
    )


def _without(work: Work, outer: Iterable[Product]) -> Work:
    outer = list(outer)
    return replace(
        work,
        matmuls=work.matmuls - sum(p.times for p in outer),
        flops=work.flops - sum(p.flops for p in outer),
    )


OUTER = Departure("XLA computes a product whose inner dimension is one element by element.", _leave_out)
VECTORS = Departure("XLA on a GPU computes a product with a vector element by element.", _leave_out_vectors)
