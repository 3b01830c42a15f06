"""Moving values without arithmetic."""

from __future__ import annotations

from .base import Cost, Op, Spec, Work, nothing, require


class split(Op):
    """[..., parts * n] as `parts` arrays [..., n]."""

    caches = False

    def shape(self, x, *, parts):
        fits = parts >= 2 and x.shape[-1] % parts == 0
        require(fits, self.name, f"{parts} parts (at least 2) do not divide a width of {x.shape[-1]}")
        return (Spec((*x.shape[:-1], x.shape[-1] // parts)),) * parts

    def forward(self, xp, x, *, parts):
        return xp.split(x, parts), nothing

    def backward(self, xp, grad, local, inputs, wants, *, parts):
        return (xp.concatenate(grad),)

    def reads(self, wants):
        return ()

    def cost(self, inputs, outputs, *, parts):
        moved = Work(elements=2 * inputs[0].size)
        return Cost(moved, (moved,))
