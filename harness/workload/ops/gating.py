"""Gates: smooth functions of one element, and the products by which they let another signal pass."""

from __future__ import annotations

from .base import Op, Spec, elementwise_cost, nothing, require


class multiply(Op):
    """a b, element by element, where b may lack leading axes of a."""

    def shape(self, a, b):
        fits = len(b.shape) <= len(a.shape) and a.shape[len(a.shape) - len(b.shape) :] == b.shape
        require(fits, self.name, f"{b.shape} does not fit the last axes of {a.shape}")
        return Spec(a.shape)

    def forward(self, xp, a, b):
        return a * b, nothing

    def backward(self, xp, grad, local, inputs, wants):
        a, b = inputs
        leading = tuple(range(len(a.shape) - len(b.shape)))
        db = None
        if wants[1]:
            db = xp.sum(grad * a, axis=leading) if leading else grad * a
        return (grad * b if wants[0] else None), db

    def cost(self, inputs, outputs):
        a, b = inputs
        return elementwise_cost(inputs, outputs, a.size, [a.size, a.size * (2 if b.size < a.size else 1)])
