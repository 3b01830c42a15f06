"""Scaled dot-product attention: two multiplies forward, four backward (five where a kernel recomputes)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .. import draw
from ..draw import Draw
from ..spec import Spec
from .base import (
    Array,
    Arrays,
    Cost,
    Forward,
    Gradients,
    Op,
    Primitives,
    Product,
    Specs,
    Wants,
    Work,
    elements,
    require,
)
from .example import Example, Sizes


def _queries(xp: Primitives, x: Array, heads: int, groups: int) -> Array:
    """[batch, positions, heads * d] as [batch, groups, heads / groups * positions, d]: a group shares its keys."""
    batch, positions, width = x.shape
    x = xp.reshape(x, (batch, positions, groups, heads // groups, width // heads))
    return xp.reshape(xp.transpose(x, (0, 2, 3, 1, 4)), (batch, groups, -1, width // heads))


def _merge(xp: Primitives, x: Array, heads: int) -> Array:
    """The inverse of `_queries`."""
    batch, groups, rows, d = x.shape
    positions = rows * groups // heads
    x = xp.reshape(x, (batch, groups, heads // groups, positions, d))
    return xp.reshape(xp.transpose(x, (0, 3, 1, 2, 4)), (batch, positions, heads * d))


def _swap(xp: Primitives, x: Array) -> Array:
    return xp.transpose(x, (0, 1, 3, 2))


def _masked(xp: Primitives, scores: Array, heads: int, causal: bool, mask: Array) -> Array:
    """Scores [batch, groups, rows, keys] with -inf where a key may not be seen, or with a bias added."""
    batch, groups, rows, keys = scores.shape
    apart = xp.reshape(scores, (batch, heads, rows * groups // heads, keys))
    if causal:
        apart = xp.causal(apart)
    elif len(mask.shape) == 2:
        apart = xp.where(xp.reshape(mask, (batch, 1, 1, keys)), apart, -math.inf)
    else:
        apart = apart + mask
    return xp.reshape(apart, scores.shape)


class attention(Op):
    """softmax(q kᵀ / sqrt(d)) v per head, with q [batch, positions, heads * d] (Vaswani et al. 2017).

    k and v are [batch, positions, kv_heads * d]; each of their heads serves heads / kv_heads of q's (Ainslie et
    al. 2023; as many as q's unless given). `mask` is nothing, the keys that may be seen [batch, positions] (bool),
    or a bias added to the scaled scores [heads, positions, positions].
    """

    def example(self, sizes: Sizes) -> Example:
        arguments = dict.fromkeys("qkv", sizes.sequence)
        return Example(arguments, {"heads": sizes.heads, "causal": True})

    def optional(self, shape: tuple[int, ...]) -> Draw:
        return draw.padding(*shape) if len(shape) == 2 else draw.normal(*shape)

    def shape(
        self,
        q: Spec,
        k: Spec,
        v: Spec,
        mask: Spec | None = None,
        *,
        heads: int,
        causal: bool,
        kv_heads: int | None = None,
    ) -> Spec:
        groups = kv_heads or heads
        require(len(q.shape) == 3, self.name, f"q must be [batch, positions, width], got {q.shape}")
        require(q.shape[-1] % heads == 0, self.name, f"{heads} heads do not divide a width of {q.shape[-1]}")
        require(heads % groups == 0, self.name, f"{groups} kv_heads do not divide {heads} heads")
        batch, positions, width = q.shape
        fits = k.shape == v.shape == (batch, positions, width // heads * groups)
        require(fits, self.name, f"q {q.shape}, k {k.shape} and v {v.shape} differ")
        if mask is not None:
            require(not causal, self.name, "a mask goes without causal=true; let the mask hold both")
            expected = (batch, positions) if mask.kind == "bool" else (heads, positions, positions)
            require(mask.shape == expected, self.name, f"a {mask.kind} mask must be {expected}, got {mask.shape}")
        return Spec(q.shape)

    def forward(
        self,
        xp: Primitives,
        q: Array,
        k: Array,
        v: Array,
        mask: Array | None = None,
        *,
        heads: int,
        causal: bool,
        kv_heads: int | None = None,
    ) -> Forward:
        groups = kv_heads or heads
        d = q.shape[-1] // heads
        q, k, v = _queries(xp, q, heads, groups), _queries(xp, k, groups, groups), _queries(xp, v, groups, groups)
        scores = xp.matmul(q, _swap(xp, k)) / math.sqrt(d)
        if causal or mask is not None:
            scores = _masked(xp, scores, heads, causal, mask)
        weights = xp.softmax(scores)
        return _merge(xp, xp.matmul(weights, v), heads), lambda: (weights,)

    def backward(
        self,
        xp: Primitives,
        grad: Array,
        local: Arrays,
        inputs: Arrays,
        wants: Wants,
        *,
        heads: int,
        causal: bool,
        kv_heads: int | None = None,
    ) -> Gradients:
        groups = kv_heads or heads
        q, k, v = (_queries(xp, x, n, groups) for x, n in zip(inputs, (heads, groups, groups), strict=False))
        (weights,) = local
        grad = _queries(xp, grad, heads, groups)
        dweights = xp.matmul(grad, _swap(xp, v))
        inner = xp.sum(dweights * weights, axis=-1, keepdims=True)
        dmasked = weights * (dweights - inner)
        dscores = dmasked / math.sqrt(q.shape[-1])
        dq = _merge(xp, xp.matmul(dscores, k), heads) if wants[0] else None
        dk = _merge(xp, xp.matmul(_swap(xp, dscores), q), groups) if wants[1] else None
        dv = _merge(xp, xp.matmul(_swap(xp, weights), grad), groups) if wants[2] else None
        if len(inputs) == 3:
            return dq, dk, dv
        dmask = None
        if wants[3]:
            batch, bias = inputs[0].shape[0], inputs[3].shape
            dmask = xp.sum(xp.reshape(dmasked, (batch, *bias)), axis=0)
        return dq, dk, dv, dmask

    def reads(self, wants: Wants) -> Sequence[int]:
        return (0, 1, 2)

    def products(
        self, inputs: Specs, outputs: Specs, *, heads: int, causal: bool, kv_heads: int | None = None
    ) -> Sequence[Product]:
        batch, positions, width = inputs[0].shape
        groups = kv_heads or heads
        rows, d = heads // groups * positions, width // heads
        scores = Product((0,), (1,), rows, d, positions, batch=batch * groups)
        return scores, Product((0, 1), (2,), rows, positions, d, batch=batch * groups)

    def cost(self, inputs: Specs, outputs: Specs, *, heads: int, causal: bool, kv_heads: int | None = None) -> Cost:
        batch, positions, width = inputs[0].shape
        scores = batch * heads * positions * positions
        # A causal mask is not taken off: the multiply computes every score, as torch's counter says.
        product = Work(1, 2 * batch * positions * positions * width, elements(*inputs[:2]) + scores)
        softmax = Work(elements=2 * scores)
        masked, summed = Work(), []
        if len(inputs) == 4:
            masked = Work(elements=inputs[3].size)
            summed = [Work(elements=scores + inputs[3].size)]
        # dscores needs grad vᵀ first; it is counted with dq.
        return Cost(
            product + product + softmax + masked,
            (product + product + softmax, product, Work(1, product.flops, elements(inputs[2]) + scores), *summed),
            local=product,
        )
