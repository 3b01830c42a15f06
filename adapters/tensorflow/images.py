"""Ops on images [N, H, W, C] in TensorFlow: convolutions, pools, upsampling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow.python.eager import record

Tensor = Any


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


def conv_transpose2d(x: Tensor, w: Tensor, b: Tensor | None = None, *, stride: int) -> Tensor:
    kh, kw, out, _ = w.shape
    n, height, width, _ = x.shape
    shape = (n, (height - 1) * stride + kh, (width - 1) * stride + kw, out)
    y = tf.nn.conv2d_transpose(x, w, shape, stride, "VALID")
    return y if b is None else tf.nn.bias_add(y, b)


def avg_pool(x: Tensor, *, size: int, stride: int) -> Tensor:
    return tf.nn.avg_pool2d(x, size, stride, "VALID")


def upsample(x: Tensor, *, factor: int) -> Tensor:
    # `tf.repeat` along two axes takes a quarter longer, with its gradient. One broadcast to six axes, as XLA likes it,
    # has a gradient that takes twice as long: a sum over two axes that are not next to each other.
    _, height, width, _ = x.shape
    size = (height * factor, width * factor)
    return tf.raw_ops.ResizeNearestNeighbor(images=x, size=size)


def upsample_by_broadcast(x: Tensor, *, factor: int) -> Tensor:
    """Upsample by broadcasting, where the gradient of `upsample` has no kernel: in XLA, and in forward mode."""
    n, height, width, channels = x.shape
    each = tf.broadcast_to(x[:, :, None, :, None], (n, height, factor, width, factor, channels))
    return tf.reshape(each, (n, height * factor, width * factor, channels))
