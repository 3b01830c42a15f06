"""Rotary position embedding: turns pairs of values by an angle that grows with the position."""

from __future__ import annotations

from collections.abc import Sequence

from .. import draw
from ..spec import Spec
from .base import Array, Arrays, Forward, Gradients, Op, Primitives, Wants, nothing, require
from .example import Example, Sizes


def _halves(xp: Primitives, x: Array, heads: int) -> Arrays:
    """The first and second half of each head, [batch, tokens, heads, d / 2]."""
    batch, tokens, width = x.shape
    first, second = xp.split(xp.reshape(x, (batch, tokens, heads, width // heads)), 2)
    return first, second


def _turn(xp: Primitives, x: Array, cosines: Array, sines: Array, heads: int) -> Array:
    first, second = _halves(xp, x, heads)
    cosines, sines = (xp.reshape(table, (table.shape[0], 1, table.shape[1])) for table in (cosines, sines))
    turned = xp.concatenate((first * cosines - second * sines, second * cosines + first * sines))
    return xp.reshape(turned, x.shape)


class rotary(Op):
    """Turns each pair (x[i], x[i + d/2]) of each head of x [batch, tokens, heads * d] by its angle (Su et al. 2021).

    `cosines` and `sines` [tokens, d / 2] are tables that a model makes once: constants, without a gradient.
    """

    caches = False

    def example(self, sizes: Sizes) -> Example:
        pairs = max(sizes.width // sizes.heads // 2, 1)
        cosines, sines = draw.rotation(sizes.tokens, pairs, base=10_000)
        return Example({"x": sizes.sequence, "cosines": cosines, "sines": sines}, {"heads": sizes.heads})

    def shape(self, x: Spec, cosines: Spec, sines: Spec, *, heads: int) -> Spec:
        require(len(x.shape) == 3, self.name, f"the input must be [batch, tokens, width], got {x.shape}")
        fits = x.shape[-1] % (2 * heads) == 0
        require(fits, self.name, f"{heads} heads of an even width do not divide a width of {x.shape[-1]}")
        table = (x.shape[1], x.shape[2] // heads // 2)
        for given in (cosines, sines):
            require(given.shape == table, self.name, f"the tables must be {table}, got {given.shape}")
            require(given.kind == "constant", self.name, "the tables must be constants")
        return x

    def forward(self, xp: Primitives, x: Array, cosines: Array, sines: Array, *, heads: int) -> Forward:
        return _turn(xp, x, cosines, sines, heads), nothing

    def backward(
        self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants, *, heads: int
    ) -> Gradients:
        _, cosines, sines = inputs
        return _turn(xp, grad, cosines, -sines, heads), None, None

    def reads(self, wants: Wants) -> Sequence[int]:
        return (1, 2)
