"""Lookups: forward a gather, backward a scatter. No multiplies in either."""

from __future__ import annotations

from .base import Cost, Op, Spec, Work, nothing, require


class embedding(Op):
    """Rows of a table [entries, width] picked by integer ids [...]: [..., width]."""

    caches = False

    def shape(self, table, ids):
        require(ids.kind == "int", self.name, "ids must be integers")
        require(len(table.shape) == 2, self.name, f"the table must be [entries, width], got {table.shape}")
        return Spec((*ids.shape, table.shape[1]))

    def forward(self, xp, table, ids):
        return xp.take(table, ids), nothing

    def backward(self, xp, grad, local, inputs, wants):
        table, ids = inputs
        return (xp.scatter_add(table.shape, ids, grad) if wants[0] else None), None

    def reads(self, wants):
        return (1,)

    def cost(self, inputs, outputs):
        table, ids = inputs
        moved = 2 * outputs[0].size + ids.size
        # The gradient is dense: the whole table is written, then rows are added to it.
        return Cost(Work(elements=moved), (Work(elements=table.size + moved), Work()))
