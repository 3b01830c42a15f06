"""Ops on sequences [batch, tokens, width] in jax."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .keep import from_output, recompute


def image_tokens(x: Array) -> Array:
    return x.reshape(x.shape[0], -1, x.shape[-1])


def transpose_tokens(x: Array) -> Array:
    return x.transpose(0, 2, 1)


def mean_tokens(x: Array) -> Array:
    return jnp.mean(x, axis=1)


def class_token(x: Array, token: Array) -> Array:
    return jnp.concatenate((jnp.broadcast_to(token, (x.shape[0], 1, x.shape[2])), x), axis=1)


def first_token(x: Array) -> Array:
    return x[:, 0]


def rotary(x: Array, cosines: Array, sines: Array, *, heads: int) -> Array:
    first, second = jnp.split(x.reshape(*x.shape[:2], heads, -1), 2, axis=-1)
    cosines, sines = cosines[:, None], sines[:, None]
    return jnp.concatenate((first * cosines - second * sines, second * cosines + first * sines), -1).reshape(x.shape)


def dot_interaction(*vectors: Array) -> Array:
    x = jnp.stack(vectors, axis=1)
    rows, columns = np.tril_indices(len(vectors), -1)
    products = jnp.einsum("bid,bjd->bij", x, x)
    pairs = products.at[:, rows, columns].get(mode="promise_in_bounds", unique_indices=True)
    return jnp.concatenate((vectors[0], pairs), axis=1)


sigmoid = from_output(jax.nn.sigmoid, lambda y, tangent: tangent * (y * (1 - y)))
tanh = from_output(jnp.tanh, lambda y, tangent: tangent * (1 - y * y))


@recompute
def silu(x: Array) -> Array:
    return jax.nn.silu(x)


def multiply(a: Array, b: Array) -> Array:
    return a * b


def dropout(x: Array, mask: Array, *, rate: float) -> Array:
    # The factor is made of the mask again in the backward pass.
    return recompute(lambda x, mask: x * (mask.astype(x.dtype) * x.dtype.type(1 / (1 - rate))))(x, mask)


def unstack_tokens(x: Array) -> tuple[Array, ...]:
    return jnp.unstack(x, axis=1)


def stack_tokens(*tokens: Array) -> Array:
    return jnp.stack(tokens, axis=1)
