"""Recurrent ops in jax: cells, and `lax.scan` over a sequence.

A step keeps its gates before their functions, which the backward pass repeats, and its states, as cuDNN does.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array, lax

from .keep import recompute


@recompute
def _lstm_state(gates: Array, c: Array) -> tuple[Array, Array]:
    i, f, g, o = jnp.split(gates, 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


@recompute
def _gru_state(inner: Array, outer: Array, h: Array) -> Array:
    (r, z, n), (hr, hz, hn) = jnp.split(inner, 3, axis=-1), jnp.split(outer, 3, axis=-1)
    n = jnp.tanh(n + jax.nn.sigmoid(r + hr) * hn)
    return n + jax.nn.sigmoid(z + hz) * (h - n)


def lstm_cell(x: Array, h: Array, c: Array, w: Array, u: Array, b: Array) -> tuple[Array, Array]:
    return _lstm_state(x @ w + h @ u + b, c)


def lstm(x: Array, h: Array, c: Array, w: Array, u: Array, b: Array) -> Array:
    def step(state: tuple[Array, Array], projected: Array) -> tuple[tuple[Array, Array], Array]:
        h, c = state
        h, c = _lstm_state(projected + h @ u, c)
        return (h, c), h

    return jnp.swapaxes(lax.scan(step, (h, c), jnp.swapaxes(x @ w + b, 0, 1))[1], 0, 1)


def gru_cell(x: Array, h: Array, w: Array, u: Array, b: Array, d: Array) -> Array:
    return _gru_state(x @ w + b, h @ u + d, h)


def gru(x: Array, h: Array, w: Array, u: Array, b: Array, d: Array) -> Array:
    def step(h: Array, projected: Array) -> tuple[Array, Array]:
        h = _gru_state(projected, h @ u + d, h)
        return h, h

    return jnp.swapaxes(lax.scan(step, h, jnp.swapaxes(x @ w + b, 0, 1))[1], 0, 1)
