"""Ops on sequences [batch, tokens, width] in jax."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .mixed import wide


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


def unstack_tokens(x: Array) -> tuple[Array, ...]:
    return jnp.unstack(x, axis=1)


def stack_tokens(*tokens: Array) -> Array:
    return jnp.stack(tokens, axis=1)


def attention(
    q: Array,
    k: Array,
    v: Array,
    mask: Array | None = None,
    *,
    heads: int,
    causal: bool,
    kv_heads: int | None = None,
) -> Array:
    # Einsums as in flax: jax.nn.dot_product_attention maps over groups of heads, which costs a third more time on
    # a CPU, and keeps seven arrays.
    groups, shape = kv_heads or heads, q.shape
    k, v = (x.reshape(*x.shape[:-1], groups, -1) for x in (k, v))
    # An axis of one head for each group of keys would keep XLA from fusing: 2.4 times as long in inference.
    shared = () if groups == heads else (heads // groups,)
    queries, scored = ("bqhgd", "bhgqk") if shared else ("bqhd", "bhqk")
    q = q.reshape(*shape[:-1], groups, *shared, shape[-1] // heads)
    scores = jnp.einsum(f"{queries},bkhd->{scored}", q, k)
    # A scalar of the same type is a literal; a Python number would be one more array to keep.
    scores *= scores.dtype.type(1 / math.sqrt(q.shape[-1]))
    if causal:
        scores += _barred(jnp.tri(scores.shape[-2], dtype=jnp.bool_), scores.dtype)
    elif mask is not None and mask.ndim == 2:
        scores += jnp.expand_dims(_barred(mask, scores.dtype), tuple(range(1, scores.ndim - 1)))
    elif mask is not None:
        scores += mask.reshape(groups, *shared, *mask.shape[1:])
    return jnp.einsum(f"{scored},bkhd->{queries}", _softmax(scores), v).reshape(shape)


def _barred(seen: Array, dtype: jnp.dtype) -> Array:
    """A bias of attention's scores: zero where a key is seen, the least number elsewhere.

    Added, not selected: a select keeps its mask and an array of zeros for the backward pass.
    """
    return jnp.where(seen, 0, jnp.finfo(dtype).min).astype(dtype)


@jax.custom_jvp
def _softmax(x: Array) -> Array:
    return jax.nn.softmax(wide(x)).astype(x.dtype)


@_softmax.defjvp
def _softmax_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    # Needs the output only; jax's own rule keeps the exponentials, their sum and its square as well.
    (y,), (tangent,) = (_softmax(*primals),), tangents
    return y, y * (tangent - jnp.sum(y * tangent, axis=-1, keepdims=True))
