"""Lookups: forward a gather, backward a scatter. No multiplies in either."""

from __future__ import annotations

from collections.abc import Sequence

from ..spec import Spec
from .base import Array, Arrays, Cost, Forward, Gradients, Op, Primitives, Specs, Wants, Work, nothing, require
from .example import Example, Sizes


class embedding(Op):
    """Rows of a table [entries, width] picked by integer ids [...]: [..., width]."""

    caches = False

    weights = (0,)

    def example(self, sizes: Sizes) -> Example:
        return Example({"table": sizes.table, "ids": sizes.ids})

    def shape(self, table: Spec, ids: Spec) -> Spec:
        require(ids.kind == "int", self.name, "ids must be integers")
        require(len(table.shape) == 2, self.name, f"the table must be [entries, width], got {table.shape}")
        return Spec((*ids.shape, table.shape[1]))

    def forward(self, xp: Primitives, table: Array, ids: Array) -> Forward:
        return xp.take(table, ids), nothing

    def backward(self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants) -> Gradients:
        table, ids = inputs
        return (xp.scatter_add(table.shape, ids, grad) if wants[0] else None), None

    def reads(self, wants: Wants) -> Sequence[int]:
        return (1,)

    def cost(self, inputs: Specs, outputs: Specs) -> Cost:
        table, ids = inputs
        moved = 2 * outputs[0].size + ids.size
        # The gradient is dense: the whole table is written, then rows are added to it.
        return Cost(Work(elements=moved), (Work(elements=table.size + moved), Work()))
