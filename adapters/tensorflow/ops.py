"""The op catalogue in TensorFlow, on images [N, H, W, C] and weights as they come.

Where TensorFlow has several ways, this is the one that was fastest on its own terms in all three executions.
"""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from harness.workload.ops.elementwise import CUBIC, GELU

from .images import *  # noqa: F403  (part of the catalogue, as are the other families)
from .mixed import Tensor, wide
from .norms import *  # noqa: F403
from .recurrent import *  # noqa: F403
from .sequence import *  # noqa: F403

relu = tf.nn.relu
relu6 = tf.nn.relu6
sigmoid = tf.sigmoid
tanh = tf.tanh
silu = tf.nn.silu
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


def gelu(x: Tensor, *, approximate: bool = True) -> Tensor:
    if not approximate and x.dtype == tf.float64:  # `tf.nn.gelu` would take its constant from float32
        return 0.5 * x * tf.math.erfc(-math.sqrt(0.5) * x)
    if not approximate:
        return tf.nn.gelu(x, approximate=False)
    # `tf.nn.gelu(approximate=True)` cubes by `tf.pow`, which took four times as long eagerly.
    half = 0.5 * x
    return half + half * tf.tanh(x * (GELU + GELU * CUBIC * tf.square(x)))


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
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, wide(logits)))


def leaky_relu(x: Tensor, *, slope: float) -> Tensor:
    return tf.nn.leaky_relu(x, slope)


def hard_swish(x: Tensor) -> Tensor:
    return x * tf.nn.relu6(x + 3) * (1 / 6)


def concatenate(*arrays: Tensor, axis: int) -> Tensor:
    return tf.concat(arrays, axis)


def flatten(x: Tensor) -> Tensor:
    return tf.reshape(x, (x.shape[0], -1))


def mse(a: Tensor, b: Tensor) -> Tensor:
    return tf.reduce_mean(tf.math.squared_difference(wide(a), wide(b)))


def dropout(x: Tensor, mask: Tensor, *, rate: float) -> Tensor:
    return x * (tf.cast(mask, x.dtype) * (1 / (1 - rate)))
