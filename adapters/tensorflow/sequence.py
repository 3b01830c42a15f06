"""Ops on sequences [batch, tokens, width] in TensorFlow."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import tensorflow as tf

Tensor = Any


def image_tokens(x: Tensor) -> Tensor:
    return tf.reshape(x, (x.shape[0], -1, x.shape[-1]))


def transpose_tokens(x: Tensor) -> Tensor:
    return tf.transpose(x, (0, 2, 1))


def mean_tokens(x: Tensor) -> Tensor:
    return tf.reduce_mean(x, axis=1)


def class_token(x: Tensor, token: Tensor) -> Tensor:
    return tf.concat((tf.broadcast_to(token, (x.shape[0], 1, x.shape[2])), x), axis=1)


def first_token(x: Tensor) -> Tensor:
    return x[:, 0]


def rotary(x: Tensor, cosines: Tensor, sines: Tensor, *, heads: int) -> Tensor:
    batch, tokens, width = x.shape
    first, second = tf.split(tf.reshape(x, (batch, tokens, heads, width // heads)), 2, axis=-1)
    cosines, sines = cosines[:, tf.newaxis], sines[:, tf.newaxis]
    turned = tf.concat((first * cosines - second * sines, second * cosines + first * sines), axis=-1)
    return tf.reshape(turned, x.shape)


def dot_interaction(*vectors: Tensor) -> Tensor:
    n = len(vectors)
    x = tf.stack(vectors, axis=1)
    products = tf.reshape(tf.matmul(x, x, transpose_b=True), (x.shape[0], n * n))
    rows, columns = np.tril_indices(n, -1)
    return tf.concat((vectors[0], tf.gather(products, (rows * n + columns).astype(np.int32), axis=1)), axis=1)


def unstack_tokens(x: Tensor) -> list[Tensor]:
    return tf.unstack(x, axis=1)


def stack_tokens(*tokens: Tensor) -> Tensor:
    return tf.stack(tokens, axis=1)


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    *,
    heads: int,
    causal: bool,
    kv_heads: int | None = None,
) -> Tensor:
    batch, positions, width = q.shape
    groups, d = kv_heads or heads, width // heads
    shared = heads // groups

    def split_heads(x: Tensor) -> Tensor:
        return tf.transpose(tf.reshape(x, (batch, positions, groups, d)), (0, 2, 1, 3))

    # q is scaled, not the scores, because it is smaller; einsum would transpose inside, and transpose more.
    q *= 1 / math.sqrt(d)
    if shared == 1:
        q = split_heads(q)
    else:
        # The queries of all heads that share keys are rows of one multiply: nothing is repeated.
        q = tf.transpose(tf.reshape(q, (batch, positions, groups, shared, d)), (0, 2, 3, 1, 4))
        q = tf.reshape(q, (batch, groups, shared * positions, d))
    scores = tf.matmul(q, split_heads(k), transpose_b=True)
    if causal or mask is not None:
        apart = tf.reshape(scores, (batch, heads, positions, positions)) if shared > 1 else scores
        apart += _barred(positions, scores.dtype, mask)
        scores = tf.reshape(apart, scores.shape) if shared > 1 else apart
    mixed = tf.matmul(tf.nn.softmax(scores), split_heads(v))
    if shared == 1:
        return tf.reshape(tf.transpose(mixed, (0, 2, 1, 3)), (batch, positions, width))
    mixed = tf.reshape(mixed, (batch, groups, shared, positions, d))
    return tf.reshape(tf.transpose(mixed, (0, 3, 1, 2, 4)), (batch, positions, width))


def _barred(positions: int, dtype: tf.DType, mask: Tensor | None) -> Tensor:
    """What to add to scores: a bias as it is; nothing for keys that may be seen, and the least number for others."""
    if mask is None:
        return future(positions, dtype)
    if mask.dtype != tf.bool:
        return mask
    return (1 - tf.cast(mask, dtype))[:, tf.newaxis, tf.newaxis] * dtype.min


def future(positions: int, dtype: tf.DType) -> Tensor:
    """[q, k] with 0 where k <= q and -inf beyond: to add it costs no gradient, unlike `tf.where`."""
    return _future_tensor(positions, dtype) if tf.executing_eagerly() else _future_array(positions, dtype)


def _future_array(positions: int, dtype: tf.DType) -> np.ndarray:
    return np.where(np.tri(positions, dtype=np.bool_), 0, -np.inf).astype(dtype.as_numpy_dtype)


@functools.lru_cache(maxsize=8)
def _future_tensor(positions: int, dtype: tf.DType) -> Tensor:
    """The array of `future`, kept on the device: eager mode would copy it there in every layer."""
    return tf.constant(_future_array(positions, dtype))
