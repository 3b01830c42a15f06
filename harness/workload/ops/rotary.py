"""Rotary position embedding: turns pairs of values by an angle that grows with the position."""

from __future__ import annotations

from .base import Op, nothing, require


def _halves(xp, x, heads):
    """The first and second half of each head, [batch, tokens, heads, d / 2]."""
    batch, tokens, width = x.shape
    return xp.split(xp.reshape(x, (batch, tokens, heads, width // heads)), 2)


def _turn(xp, x, cosines, sines, heads):
    first, second = _halves(xp, x, heads)
    cosines, sines = (xp.reshape(table, (table.shape[0], 1, table.shape[1])) for table in (cosines, sines))
    turned = xp.concatenate((first * cosines - second * sines, second * cosines + first * sines))
    return xp.reshape(turned, x.shape)


class rotary(Op):
    """Turns each pair (x[i], x[i + d/2]) of each head of x [batch, tokens, heads * d] by its angle (Su et al. 2021).

    `cosines` and `sines` [tokens, d / 2] are tables that a model makes once: constants, without a gradient.
    """

    caches = False

    def shape(self, x, cosines, sines, *, heads):
        require(len(x.shape) == 3, self.name, f"the input must be [batch, tokens, width], got {x.shape}")
        fits = x.shape[-1] % (2 * heads) == 0
        require(fits, self.name, f"{heads} heads of an even width do not divide a width of {x.shape[-1]}")
        table = (x.shape[1], x.shape[2] // heads // 2)
        for given in (cosines, sines):
            require(given.shape == table, self.name, f"the tables must be {table}, got {given.shape}")
            require(given.kind == "constant", self.name, "the tables must be constants")
        return x

    def forward(self, xp, x, cosines, sines, *, heads):
        return _turn(xp, x, cosines, sines, heads), nothing

    def backward(self, xp, grad, local, inputs, wants, *, heads):
        _, cosines, sines = inputs
        return _turn(xp, grad, cosines, -sines, heads), None, None

    def reads(self, wants):
        return (1, 2)
