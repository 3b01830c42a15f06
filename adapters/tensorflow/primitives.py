"""The catalogue's array primitives in TensorFlow: what hand-written backprop is composed of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from . import images, ops, sequence

Tensor = Any

broadcast_to, exp, reshape, stack, tanh = tf.broadcast_to, tf.exp, tf.reshape, tf.stack, tf.tanh
maximum, minimum, transpose, where = tf.maximum, tf.minimum, tf.transpose, tf.where
erf, rsqrt = tf.math.erf, tf.math.rsqrt


def matmul(a: Tensor, b: Tensor) -> Tensor:
    return ops.linear(a, b) if b.shape.rank == 2 else tf.matmul(a, b)


def mean(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    return tf.reduce_mean(x, axis, keepdims)


def sum(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    return tf.reduce_sum(x, axis, keepdims)


def zeros(shape: Sequence[int], like: Tensor) -> Tensor:
    return tf.zeros(shape, like.dtype)


def step(x: Tensor) -> Tensor:
    return tf.cast(x > 0, x.dtype)


def take(table: Tensor, ids: Tensor) -> Tensor:
    return tf.gather(table, ids)


def scatter_add(shape: Sequence[int], ids: Tensor, values: Tensor) -> Tensor:
    return tf.math.unsorted_segment_sum(tf.reshape(values, (-1, shape[1])), tf.reshape(ids, (-1,)), shape[0])


def pick(x: Tensor, ids: Tensor) -> Tensor:
    return tf.gather(x, ids, axis=-1, batch_dims=ids.shape.rank)


def one_hot(ids: Tensor, n: int, like: Tensor) -> Tensor:
    return tf.one_hot(ids, n, dtype=like.dtype)


def split(x: Tensor, parts: int) -> tuple[Tensor, ...]:
    return tuple(tf.split(x, parts, axis=-1))


def concatenate(parts: Sequence[Tensor], axis: int = -1) -> Tensor:
    return tf.concat(parts, axis)


def below_diagonal(x: Tensor) -> Tensor:
    *leading, n, _ = x.shape
    rows, columns = np.tril_indices(n, -1)
    return tf.gather(tf.reshape(x, (*leading, n * n)), (rows * n + columns).astype(np.int32), axis=-1)


def from_below_diagonal(values: Tensor, n: int) -> Tensor:
    # A gather too: the place of each element among the values, and for all others that of a zero behind them.
    places = np.full((n, n), values.shape[-1], np.int32)
    places[np.tril_indices(n, -1)] = np.arange(values.shape[-1])
    return tf.gather(tf.pad(values, [[0, 0]] * (values.shape.rank - 1) + [[0, 1]]), places, axis=-1)


log_softmax, softmax = tf.nn.log_softmax, tf.nn.softmax


def causal(scores: Tensor) -> Tensor:
    return scores + sequence.future(scores.shape[-1], scores.dtype)


def conv2d(x: Tensor, w: Tensor, stride: int, padding: int, groups: int) -> Tensor:
    return ops.conv2d(x, w, stride=stride, padding=padding, groups=groups)


def conv2d_dx(grad: Tensor, w: Tensor, x_shape: Sequence[int], stride: int, padding: int, groups: int) -> Tensor:
    n, height, width, channels = x_shape
    if padding and not all(images.same_padding(x_shape[axis], w.shape[axis - 1], stride, padding) for axis in (1, 2)):
        larger = (n, height + 2 * padding, width + 2 * padding, channels)
        return _cropped(conv2d_dx(grad, w, larger, stride, 0, groups), padding)
    strides, pads, shape = [1, stride, stride, 1], "SAME" if padding else "VALID", list(x_shape)
    if groups == 1:
        return tf.compat.v1.nn.conv2d_backprop_input(shape, w, grad, strides, pads)
    if groups == channels:
        return tf.nn.depthwise_conv2d_backprop_input(shape, _depthwise(w, groups), grad, strides, pads)
    each = [n, height, width, channels // groups]
    return _by_group(lambda g, part: conv2d_dx(g, part, each, stride, padding, 1), groups, grad, w)


def conv2d_dw(grad: Tensor, x: Tensor, w_shape: Sequence[int], stride: int, padding: int, groups: int) -> Tensor:
    x, pads = images.padded(x, w_shape, stride, padding)
    strides, shape = [1, stride, stride, 1], list(w_shape)
    if groups == 1:
        return tf.compat.v1.nn.conv2d_backprop_filter(x, shape, grad, strides, pads)
    if groups == x.shape[-1]:
        kernel = [*shape[:2], groups, shape[3] // groups]
        return tf.reshape(tf.nn.depthwise_conv2d_backprop_filter(x, kernel, grad, strides, pads), shape)
    each = [*shape[:3], shape[3] // groups]
    return _by_group(
        lambda g, part: tf.compat.v1.nn.conv2d_backprop_filter(part, each, g, strides, pads), groups, grad, x
    )


def _cropped(x: Tensor, padding: int) -> Tensor:
    """An image without its padding."""
    _, height, width, _ = x.shape
    return x[:, padding : height - padding, padding : width - padding]


def _by_group(function: Callable[[Tensor, Tensor], Tensor], groups: int, a: Tensor, b: Tensor) -> Tensor:
    """Apply a function to each group: TensorFlow has no gradient of a grouped convolution on a CPU."""
    pairs = zip(tf.split(a, groups, axis=-1), tf.split(b, groups, axis=-1), strict=True)
    return tf.concat([function(*pair) for pair in pairs], axis=-1)


def _depthwise(w: Tensor, groups: int) -> Tensor:
    kh, kw, _, out = w.shape
    return tf.reshape(w, (kh, kw, groups, out // groups))


def max_pool2d(x: Tensor, size: int, stride: int, padding: int) -> Tensor:
    return ops.max_pool(x, size=size, stride=stride, padding=padding)


def max_pool2d_dx(grad: Tensor, x: Tensor, y: Tensor, size: int, stride: int, padding: int) -> Tensor:
    padded = tf.pad(x, images.margins(padding), constant_values=x.dtype.min) if padding else x
    if not tf.executing_eagerly():
        y = tf.nn.max_pool2d(padded, size, stride, "VALID")  # as `ops.max_pool` has it
    return _cropped(images.max_pool_gradient(padded, y, grad, size, stride), padding)


def avg_pool2d(x: Tensor, size: int, stride: int) -> Tensor:
    return ops.avg_pool(x, size=size, stride=stride)


def avg_pool2d_dx(grad: Tensor, x_shape: Sequence[int], size: int, stride: int) -> Tensor:
    window, strides = [1, size, size, 1], [1, stride, stride, 1]
    return tf.raw_ops.AvgPoolGrad(
        orig_input_shape=list(x_shape), grad=grad, ksize=window, strides=strides, padding="VALID"
    )
