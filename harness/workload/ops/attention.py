"""Scaled dot-product attention: two multiplies forward, four backward (five where a kernel recomputes)."""

from __future__ import annotations

import math

from .base import Cost, Op, Spec, Work, elements, require


def _heads(xp, x, heads):
    """[batch, positions, heads * d] as [batch, heads, positions, d]."""
    batch, positions, width = x.shape
    return xp.transpose(xp.reshape(x, (batch, positions, heads, width // heads)), (0, 2, 1, 3))


def _merge(xp, x):
    """The inverse of `_heads`."""
    batch, heads, positions, d = x.shape
    return xp.reshape(xp.transpose(x, (0, 2, 1, 3)), (batch, positions, heads * d))


def _swap(xp, x):
    return xp.transpose(x, (0, 1, 3, 2))


class attention(Op):
    """softmax(q kᵀ / sqrt(d)) v per head, with q, k, v [batch, positions, heads * d] (Vaswani et al. 2017)."""

    def shape(self, q, k, v, *, heads, causal):
        require(len(q.shape) == 3, self.name, f"q must be [batch, positions, width], got {q.shape}")
        require(q.shape[-1] % heads == 0, self.name, f"{heads} heads do not divide a width of {q.shape[-1]}")
        require(q.shape == k.shape == v.shape, self.name, f"q {q.shape}, k {k.shape} and v {v.shape} differ")
        return Spec(q.shape)

    def forward(self, xp, q, k, v, *, heads, causal):
        q, k, v = (_heads(xp, x, heads) for x in (q, k, v))
        scores = xp.matmul(q, _swap(xp, k)) / math.sqrt(q.shape[-1])
        if causal:
            scores = xp.causal(scores)
        weights = xp.softmax(scores)
        return _merge(xp, xp.matmul(weights, v)), lambda: (weights,)

    def backward(self, xp, grad, local, inputs, wants, *, heads, causal):
        q, k, v = (_heads(xp, x, heads) for x in inputs)
        (weights,) = local
        grad = _heads(xp, grad, heads)
        dweights = xp.matmul(grad, _swap(xp, v))
        inner = xp.sum(dweights * weights, axis=-1, keepdims=True)
        dscores = weights * (dweights - inner) / math.sqrt(q.shape[-1])
        dq = _merge(xp, xp.matmul(dscores, k)) if wants[0] else None
        dk = _merge(xp, xp.matmul(_swap(xp, dscores), q)) if wants[1] else None
        dv = _merge(xp, xp.matmul(_swap(xp, weights), grad)) if wants[2] else None
        return dq, dk, dv

    def cost(self, inputs, outputs, *, heads, causal):
        batch, positions, width = inputs[0].shape
        scores = batch * heads * positions * positions
        # A causal mask is not taken off: the multiply computes every score, as torch's counter says.
        product = Work(1, 2 * batch * positions * positions * width, 0, 2 * inputs[0].size + scores)
        softmax = Work(elementwise=5 * scores, elements=2 * scores)
        # dscores needs grad vᵀ first; it is counted with dq.
        return Cost(
            product + product + softmax,
            (product + product + softmax, product, Work(1, product.flops, 0, elements(inputs[2]) + scores)),
        )
