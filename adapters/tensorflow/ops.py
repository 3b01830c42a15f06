"""The op catalogue in TensorFlow, on images [N, H, W, C] and weights as they come.

Where TensorFlow has several ways, this is the one that was fastest on its own terms in all three executions.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import tensorflow as tf

from .dtypes import float32
from .images import (  # noqa: F401
    avg_pool,
    batch_norm,
    batch_norm_inference,
    conv2d,
    conv_transpose2d,
    global_avg_pool,
    group_norm,
    max_pool,
    upsample,
    upsample_by_broadcast,
)
from .recurrent import gru, gru_cell, lstm, lstm_cell  # noqa: F401  (part of the catalogue)
from .sequence import (  # noqa: F401
    class_token,
    dot_interaction,
    dropout,
    first_token,
    image_tokens,
    mean_tokens,
    rms_norm,
    rotary,
    sigmoid,
    silu,
    stack_tokens,
    tanh,
    transpose_tokens,
    unstack_tokens,
)

Tensor = Any

_GELU = math.sqrt(2 / math.pi)
_CUBIC = 0.044715

relu = tf.nn.relu
relu6 = tf.nn.relu6
add = tf.add
multiply = tf.multiply


def linear(x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    y = tf.matmul(_rows(x), w)
    return _like(y if b is None else tf.nn.bias_add(y, b), x)


def tied_linear(x: Tensor, table: Tensor) -> Tensor:
    # `table xᵀ`, transposed, took a quarter longer, where oneDNN is on.
    return _like(tf.matmul(_rows(x), table, transpose_b=True), x)


def _rows(x: Tensor) -> Tensor:
    """[..., n] as [rows, n]: `tf.matmul` of more axes is a batched multiply, and so is its dW, summed after."""
    return x if x.shape.rank == 2 else tf.reshape(x, (-1, x.shape[-1]))


def _like(y: Tensor, x: Tensor) -> Tensor:
    """[rows, n] with the leading axes of `x`."""
    return y if x.shape.rank == 2 else tf.reshape(y, (*x.shape[:-1], y.shape[-1]))


def layer_norm(x: Tensor, scale: Tensor, shift: Tensor, *, eps: float) -> Tensor:
    # TensorFlow has no fused layer norm; `tf.nn.moments` and batch_normalization are more ops than this.
    centred = x - tf.reduce_mean(x, axis=-1, keepdims=True)
    variance = tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True)
    return centred * tf.math.rsqrt(variance + eps) * scale + shift


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
    """Kept on the device: eager mode would copy it there in every layer."""
    return tf.constant(_future_array(positions, dtype))


def gelu(x: Tensor, *, approximate: bool = True) -> Tensor:
    if not approximate:
        return tf.nn.gelu(x, approximate=False)
    # `tf.nn.gelu(approximate=True)` cubes by `tf.pow`, which took four times as long eagerly.
    half = 0.5 * x
    return half + half * tf.tanh(x * (_GELU + _GELU * _CUBIC * tf.square(x)))


def embedding(table: Tensor, ids: Tensor) -> Tensor:
    entries, width = table.shape

    @tf.custom_gradient
    def lookup(table: Tensor) -> tuple[Tensor, Any]:
        def gradient(dy: Tensor) -> Tensor:
            # Dense at once, as torch and jax do. TensorFlow's own IndexedSlices would have to be made dense
            # in the end, and where a table is tied they first turn the other, dense gradient into slices.
            return tf.math.unsorted_segment_sum(tf.reshape(dy, (-1, width)), tf.reshape(ids, (-1,)), entries)

        return tf.gather(table, ids), gradient

    return lookup(table)


def split(x: Tensor, *, parts: int) -> list[Tensor]:
    return tf.split(x, parts, axis=-1)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, float32(logits)))


def leaky_relu(x: Tensor, *, slope: float) -> Tensor:
    return tf.nn.leaky_relu(x, slope)


def hard_swish(x: Tensor) -> Tensor:
    return x * tf.nn.relu6(x + 3) * (1 / 6)


def concatenate(*arrays: Tensor, axis: int) -> Tensor:
    return tf.concat(arrays, axis)


def flatten(x: Tensor) -> Tensor:
    return tf.reshape(x, (x.shape[0], -1))


def mse(a: Tensor, b: Tensor) -> Tensor:
    return tf.reduce_mean(tf.math.squared_difference(float32(a), float32(b)))
