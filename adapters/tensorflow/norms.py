"""Norms in TensorFlow, of images and of other arrays; the last axis has the channels."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from .mixed import wide

Tensor = Any


# In a graph and below so many elements, TensorFlow's fused batch norm is slower than plain ops: 0.41 against 0.30 ms at
# 12x12 with 96 channels. It is as fast at 12x12 with 384, and faster for 16 images of 32x32 with 64 (2.6 against 4.1).
_SMALL_BATCH_NORM = 100_000


def batch_norm(x: Tensor, scale: Tensor, shift: Tensor, *, eps: float) -> Tensor:
    small = not tf.executing_eagerly() and x.shape.num_elements() < _SMALL_BATCH_NORM
    if small or x.dtype == tf.float64:  # which the fused op does not take
        return _composed_batch_norm(x, scale, shift, eps)
    nothing = np.empty(0, np.float32)
    return _batch_norm(x, scale, shift, nothing, nothing, eps, is_training=True)


def _composed_batch_norm(x: Tensor, scale: Tensor, shift: Tensor, eps: float) -> Tensor:
    """Batch norm composed of plain ops, with statistics in float32 at least, as Keras's layer computes them."""
    mean, variance = tf.nn.moments(wide(x), range(x.shape.rank - 1), keepdims=True)
    factor = tf.math.rsqrt(variance + eps) * wide(scale)
    return tf.cast(wide(x) * factor + (wide(shift) - mean * factor), x.dtype)


def batch_norm_inference(
    x: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, variance: Tensor, *, eps: float
) -> Tensor:
    if x.dtype == tf.float64:
        return tf.nn.batch_normalization(x, mean, variance, shift, scale, eps)
    return _batch_norm(x, scale, shift, wide(mean), wide(variance), eps, is_training=False)


def _batch_norm(x: Tensor, scale: Tensor, shift: Tensor, mean: Any, variance: Any, eps: float, **mode: bool) -> Tensor:
    image = x if x.shape.rank == 4 else tf.reshape(x, (-1, 1, 1, x.shape[-1]))
    # The fused op wants its parameters in float32, whatever the image is in.
    y = tf.raw_ops.FusedBatchNormV3(
        x=image,
        scale=wide(scale),
        offset=wide(shift),
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


def rms_norm(x: Tensor, scale: Tensor, *, eps: float) -> Tensor:
    return x * tf.math.rsqrt(tf.reduce_mean(tf.square(x), axis=-1, keepdims=True) + eps) * scale


def group_norm(x: Tensor, scale: Tensor, shift: Tensor, *, groups: int, eps: float) -> Tensor:
    # As Keras's layer has it, with `tf.nn.moments` written out, which is 3 % less. The form of `layer_norm`, scaled in
    # the image's own shape, took a quarter longer with its gradient.
    grouped = tf.reshape(x, (*x.shape[:3], groups, x.shape[3] // groups))
    mean = tf.reduce_mean(grouped, axis=(1, 2, 4), keepdims=True)
    distances = tf.math.squared_difference(grouped, tf.stop_gradient(mean))
    factor = tf.math.rsqrt(tf.reduce_mean(distances, axis=(1, 2, 4), keepdims=True) + eps)
    factor *= tf.reshape(scale, (groups, -1))
    return tf.reshape(grouped * factor + (tf.reshape(shift, (groups, -1)) - mean * factor), x.shape)
