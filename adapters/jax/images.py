"""Ops on images [N, H, W, C] in jax: convolutions, pools, upsampling."""

from __future__ import annotations

import functools

import jax.numpy as jnp
from jax import Array, lax

from .checkpointing import recompute


def conv2d(x: Array, w: Array, b: Array | None = None, *, stride: int = 1, padding: int = 0, groups: int = 1) -> Array:
    y = lax.conv_general_dilated(
        x,
        w,
        window_strides=(stride, stride),
        padding=((padding, padding), (padding, padding)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )
    return y if b is None else y + b


def conv_transpose2d(x: Array, w: Array, b: Array | None = None, *, stride: int) -> Array:
    y = _conv_transpose(x, w, stride)
    return y if b is None else y + b


@functools.partial(recompute, static_argnums=(2,))  # else backward keeps the kernel's mirror image, a copy of w
def _conv_transpose(x: Array, w: Array, stride: int) -> Array:
    return lax.conv_transpose(
        x,
        w,
        strides=(stride, stride),
        padding=[(k - 1, k - 1) for k in w.shape[:2]],
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        transpose_kernel=True,
    )


def max_pool(x: Array, *, size: int, stride: int, padding: int = 0) -> Array:
    return lax.reduce_window(
        x,
        -jnp.inf,
        lax.max,
        window_dimensions=(1, size, size, 1),
        window_strides=(1, stride, stride, 1),
        padding=((0, 0), (padding, padding), (padding, padding), (0, 0)),
    )


def avg_pool(x: Array, *, size: int, stride: int) -> Array:
    total = lax.reduce_window(x, 0.0, lax.add, (1, size, size, 1), (1, stride, stride, 1), "VALID")
    return total / (size * size)


def global_avg_pool(x: Array) -> Array:
    return jnp.mean(x, axis=(1, 2))


def upsample(x: Array, *, factor: int) -> Array:
    n, height, width, channels = x.shape
    each = jnp.broadcast_to(x[:, :, None, :, None], (n, height, factor, width, factor, channels))
    return each.reshape(n, height * factor, width * factor, channels)
