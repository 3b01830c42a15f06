"""Ops on sequences [batch, tokens, width] in TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

Tensor = Any

sigmoid = tf.sigmoid
tanh = tf.tanh
silu = tf.nn.silu


def dropout(x: Tensor, mask: Tensor, *, rate: float) -> Tensor:
    return x * (tf.cast(mask, x.dtype) * (1 / (1 - rate)))


def rms_norm(x: Tensor, scale: Tensor, *, eps: float) -> Tensor:
    return x * tf.math.rsqrt(tf.reduce_mean(tf.square(x), axis=-1, keepdims=True) + eps) * scale


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
