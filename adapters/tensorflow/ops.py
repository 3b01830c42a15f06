"""The op catalogue in TensorFlow, on images [N, H, W, C] and weights as they come.

Where TensorFlow has several ways, this is the one that was fastest on its own terms in all three executions.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import record

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


def conv2d(
    x: Tensor, w: Tensor, b: Tensor | None = None, *, stride: int = 1, padding: int = 0, groups: int = 1
) -> Tensor:
    x, pads = padded(x, w.shape, stride, padding)
    if groups > 1 and groups == x.shape[-1]:
        kh, kw, _, out = w.shape
        y = _convolve(_DEPTHWISE, x, tf.reshape(w, (kh, kw, groups, out // groups)), stride, pads)
    elif groups == 1 or not splits_groups():
        y = _convolve(_DENSE, x, w, stride, pads)
    else:
        parts = zip(tf.split(x, groups, axis=-1), tf.split(w, groups, axis=-1), strict=True)
        y = tf.concat([_convolve(_DENSE, part, kernel, stride, pads) for part, kernel in parts], axis=-1)
    return y if b is None else tf.nn.bias_add(y, b)


def padded(x: Tensor, kernel: Sequence[int], stride: int, padding: int) -> tuple[Tensor, str]:
    """The image, padded where TensorFlow's own padding would differ, and the padding to ask a convolution for.

    Not EXPLICIT padding: it keeps a convolution's gradients off oneDNN (a 3x3 convolution's took twice as long), and
    aborts the process where oneDNN runs a depthwise convolution with a bias.
    """
    if not padding:
        return x, "VALID"
    if all(same_padding(x.shape[axis], kernel[axis - 1], stride, padding) for axis in (1, 2)):
        return x, "SAME"
    return tf.pad(x, margins(padding)), "VALID"


def same_padding(size: int, window: int, stride: int, padding: int) -> bool:
    """Whether "SAME" pads an axis by `padding` on both sides. It pads less on the left where the total is odd."""
    return (-(-size // stride) - 1) * stride + window - size == 2 * padding


def margins(padding: int) -> list[list[int]]:
    """Padding of an image's height and width, as `tf.pad` takes it."""
    return [[0, 0], [padding, padding], [padding, padding], [0, 0]]


def splits_groups() -> bool:
    """Whether a grouped convolution runs as one for each group: TensorFlow has no gradient of it on a CPU."""
    return not tf.config.list_logical_devices("GPU")


# A convolution, and its gradients for image and weight.
_DENSE = tf.nn.conv2d, tf.compat.v1.nn.conv2d_backprop_input, tf.compat.v1.nn.conv2d_backprop_filter
_DEPTHWISE = (
    tf.nn.depthwise_conv2d,
    tf.nn.depthwise_conv2d_backprop_input,
    tf.nn.depthwise_conv2d_backprop_filter,
)


def _convolve(kind: tuple[Any, Any, Any], x: Tensor, w: Tensor, stride: int, pads: str) -> Tensor:
    """A convolution whose eager gradient is, like that of a multiply, computed only for what needs one.

    TensorFlow's own also computes that of an image or a weight that no tape watches. In a graph it is pruned.
    """
    forward, image_gradient, weight_gradient = kind
    strides = [1, stride, stride, 1]
    watched = [record.should_record_backprop([operand]) for operand in (x, w)] if tf.executing_eagerly() else []
    if sum(watched) != 1:
        return forward(x, w, strides, pads)

    @tf.custom_gradient
    def convolve(operand: Tensor) -> tuple[Tensor, Any]:
        def gradient(dy: Tensor) -> Tensor:
            if watched[0]:
                return image_gradient(x.shape, w, dy, strides, pads)
            return weight_gradient(x, w.shape, dy, strides, pads)

        return forward(x, w, strides, pads), gradient

    return convolve(x if watched[0] else w)


# Below so many elements TensorFlow's fused batch norm takes longer than its parts in a graph: 0.41 ms for 0.30 at 12x12
# with 96 channels (ratio of gradients 0.60), even at 12x12 with 384, and 2.6 ms for 4.1 at 32x32 with 64 and 16 images.
_SMALL_BATCH_NORM = 100_000


def batch_norm(x: Tensor, scale: Tensor, shift: Tensor, *, eps: float) -> Tensor:
    if not tf.executing_eagerly() and x.shape.num_elements() < _SMALL_BATCH_NORM:
        return _composed_batch_norm(x, scale, shift, eps)
    nothing = np.empty(0, np.float32)
    return _batch_norm(x, scale, shift, nothing, nothing, eps, is_training=True)


def _composed_batch_norm(x: Tensor, scale: Tensor, shift: Tensor, eps: float) -> Tensor:
    """As Keras's layer has it, with statistics in float32."""
    mean, variance = tf.nn.moments(_float32(x), range(x.shape.rank - 1), keepdims=True)
    factor = tf.math.rsqrt(variance + eps) * _float32(scale)
    return tf.cast(_float32(x) * factor + (_float32(shift) - mean * factor), x.dtype)


def batch_norm_inference(
    x: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, variance: Tensor, *, eps: float
) -> Tensor:
    return _batch_norm(x, scale, shift, _float32(mean), _float32(variance), eps, is_training=False)


def _batch_norm(x: Tensor, scale: Tensor, shift: Tensor, mean: Any, variance: Any, eps: float, **mode: bool) -> Tensor:
    image = x if x.shape.rank == 4 else tf.reshape(x, (-1, 1, 1, x.shape[-1]))
    # The fused op wants its parameters in float32, whatever the image is in.
    y = tf.raw_ops.FusedBatchNormV3(
        x=image,
        scale=_float32(scale),
        offset=_float32(shift),
        mean=mean,
        variance=variance,
        epsilon=eps,
        **mode,
    ).y
    return y if image is x else tf.reshape(y, x.shape)


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


def max_pool(x: Tensor, *, size: int, stride: int, padding: int = 0) -> Tensor:
    # XLA and forward mode refuse explicit padding of a pool; the smallest number never wins.
    if padding:
        x = tf.pad(x, margins(padding), constant_values=x.dtype.min)
    if tf.executing_eagerly():
        return tf.nn.max_pool2d(x, size, stride, "VALID")
    return _pool_again(x, size, stride)


def _pool_again(x: Tensor, size: int, stride: int) -> Tensor:
    """A max pool whose gradient pools again.

    oneDNN's gradient of a max pool needs what its pool of the same graph leaves behind. Where backward is a graph of
    its own, TensorFlow's own gradient runs without oneDNN, and takes four to ten times as long as a training step's.
    In a graph of both the two pools are merged. `max_pool_with_argmax` is no way out: its forward is as slow.
    """

    @tf.custom_gradient
    def pool(x: Tensor) -> tuple[Tensor, Any]:
        def gradient(dy: Tensor) -> Tensor:
            return max_pool_gradient(x, tf.nn.max_pool2d(x, size, stride, "VALID"), dy, size, stride)

        return tf.nn.max_pool2d(x, size, stride, "VALID"), gradient

    return pool(x)


def max_pool_gradient(x: Tensor, y: Tensor, dy: Tensor, size: int, stride: int) -> Tensor:
    """The gradient for `x` of its max pool `y` without padding."""
    window, strides = [1, size, size, 1], [1, stride, stride, 1]
    return tf.raw_ops.MaxPoolGrad(orig_input=x, orig_output=y, grad=dy, ksize=window, strides=strides, padding="VALID")


def global_avg_pool(x: Tensor) -> Tensor:
    return tf.reduce_mean(x, axis=(1, 2))


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
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, _float32(logits)))


def _float32(x: Tensor) -> Tensor:
    return x if x.dtype == tf.float32 else tf.cast(x, tf.float32)


def conv_transpose2d(x: Tensor, w: Tensor, b: Tensor | None = None, *, stride: int) -> Tensor:
    kh, kw, out, _ = w.shape
    n, height, width, _ = x.shape
    shape = (n, (height - 1) * stride + kh, (width - 1) * stride + kw, out)
    y = tf.nn.conv2d_transpose(x, w, shape, stride, "VALID")
    return y if b is None else tf.nn.bias_add(y, b)


def group_norm(x: Tensor, scale: Tensor, shift: Tensor, *, groups: int, eps: float) -> Tensor:
    # As Keras's layer has it, with `tf.nn.moments` written out, which is 3 % less. The form of `layer_norm`, scaled in
    # the image's own shape, took a quarter longer with its gradient.
    grouped = tf.reshape(x, (*x.shape[:3], groups, x.shape[3] // groups))
    mean = tf.reduce_mean(grouped, axis=(1, 2, 4), keepdims=True)
    distances = tf.math.squared_difference(grouped, tf.stop_gradient(mean))
    factor = tf.math.rsqrt(tf.reduce_mean(distances, axis=(1, 2, 4), keepdims=True) + eps)
    factor *= tf.reshape(scale, (groups, -1))
    return tf.reshape(grouped * factor + (tf.reshape(shift, (groups, -1)) - mean * factor), x.shape)


def leaky_relu(x: Tensor, *, slope: float) -> Tensor:
    return tf.nn.leaky_relu(x, slope)


def hard_swish(x: Tensor) -> Tensor:
    return x * tf.nn.relu6(x + 3) * (1 / 6)


def avg_pool(x: Tensor, *, size: int, stride: int) -> Tensor:
    return tf.nn.avg_pool2d(x, size, stride, "VALID")


def upsample(x: Tensor, *, factor: int) -> Tensor:
    # `tf.repeat` along two axes takes a quarter longer, with its gradient. One broadcast to six axes, as XLA likes it,
    # has a gradient that takes twice as long: a sum over two axes that are not next to each other.
    _, height, width, _ = x.shape
    size = (height * factor, width * factor)
    return tf.raw_ops.ResizeNearestNeighbor(images=x, size=size)


def upsample_by_broadcast(x: Tensor, *, factor: int) -> Tensor:
    """The same where the gradient of `upsample` has no kernel: in XLA, and in forward mode."""
    n, height, width, channels = x.shape
    each = tf.broadcast_to(x[:, :, None, :, None], (n, height, factor, width, factor, channels))
    return tf.reshape(each, (n, height * factor, width * factor, channels))


def concatenate(*arrays: Tensor, axis: int) -> Tensor:
    return tf.concat(arrays, axis)


def flatten(x: Tensor) -> Tensor:
    return tf.reshape(x, (x.shape[0], -1))


def mse(a: Tensor, b: Tensor) -> Tensor:
    return tf.reduce_mean(tf.math.squared_difference(_float32(a), _float32(b)))
