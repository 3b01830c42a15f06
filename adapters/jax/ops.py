"""The op catalogue in jax: images [N, H, W, C], convolution weights [kh, kw, in, out], linear weights [in, out].

jax differentiates every op. Left alone it would keep intermediate arrays that the backward pass can do without: six
of the size of the attention weights, four of a gelu's input, three of a norm's, two of a relu's. Written to memory
by a forward pass that stands alone, they are work that no training step does, since one program for both fuses
them away. So each op keeps one array. Where that takes `jax.checkpoint`, backward repeats an elementwise pass, and
`prevent_cse=False` leaves the compiler free wherever forward and backward are one program.
"""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
from jax import Array, lax

from .keep import from_output, keeps_statistics, recompute, statistic
from .recurrent import gru, gru_cell, lstm, lstm_cell  # noqa: F401  (part of the catalogue)
from .sequence import (  # noqa: F401
    class_token,
    dot_interaction,
    dropout,
    first_token,
    image_tokens,
    mean_tokens,
    multiply,
    rotary,
    sigmoid,
    silu,
    stack_tokens,
    tanh,
    transpose_tokens,
    unstack_tokens,
)


def linear(x: Array, w: Array, b: Array | None = None) -> Array:
    y = x @ w
    return y if b is None else y + b


def tied_linear(x: Array, table: Array) -> Array:
    return jnp.einsum("...w,ew->...e", x, table)


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


def batch_norm(x: Array, scale: Array, shift: Array, *, eps: float) -> Array:
    return _normalise(x, scale, shift, tuple(range(x.ndim - 1)), eps)


def batch_norm_inference(x: Array, scale: Array, shift: Array, mean: Array, variance: Array, *, eps: float) -> Array:
    return _normalise_by(x, scale, shift, mean, variance, eps)


@functools.partial(recompute, static_argnums=(5,))
def _normalise_by(x: Array, scale: Array, shift: Array, mean: Array, variance: Array, eps: float) -> Array:
    # As flax has it: one factor for each channel, in float32.
    factor = lax.rsqrt(variance.astype(jnp.float32) + eps) * scale
    return ((x - mean) * factor + shift).astype(x.dtype)


def layer_norm(x: Array, scale: Array, shift: Array, *, eps: float) -> Array:
    return _normalise(x, scale, shift, (-1,), eps)


@functools.partial(keeps_statistics, static_argnums=(3, 4))
def _normalise(x: Array, scale: Array, shift: Array, axes: tuple[int, ...], eps: float) -> Array:
    wide = x.astype(jnp.float32)
    mean, factor = _statistics(wide, axes, eps)
    return ((wide - mean) * (factor * scale) + shift).astype(x.dtype)


def _statistics(wide: Array, axes: tuple[int, ...], eps: float) -> tuple[Array, Array]:
    """Mean and 1 / standard deviation of a float32 array along `axes`, as flax has them: in one pass over it.

    The variance of what is left after the mean takes another pass: up to 40 % more of a norm's forward.
    """
    mean = statistic(jnp.mean(wide, axes, keepdims=True))
    variance = jnp.maximum(jnp.mean(wide * wide, axes, keepdims=True) - mean * mean, 0)
    return mean, statistic(lax.rsqrt(variance + eps))


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
    """Nothing to add to the scores of what is seen, and the least number to all others.

    Added, not selected: a select keeps its mask and an array of zeros for the backward pass.
    """
    return jnp.where(seen, 0, jnp.finfo(dtype).min).astype(dtype)


@jax.custom_jvp
def _softmax(x: Array) -> Array:
    return jax.nn.softmax(x.astype(jnp.float32)).astype(x.dtype)


@_softmax.defjvp
def _softmax_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    # Needs the output only; jax's own rule keeps the exponentials, their sum and its square as well.
    (y,), (tangent,) = (_softmax(*primals),), tangents
    return y, y * (tangent - jnp.sum(y * tangent, axis=-1, keepdims=True))


def _where(condition: Array, tangent: Array) -> Array:
    return lax.select(condition, tangent, lax.full_like(tangent, 0))


relu = from_output(lambda x: lax.max(x, lax.full_like(x, 0)), lambda y, tangent: _where(y > 0, tangent))


def gelu(x: Array, *, approximate: bool = True) -> Array:
    return recompute(functools.partial(jax.nn.gelu, approximate=approximate))(x)


def add(a: Array, b: Array) -> Array:
    return a + b


def max_pool(x: Array, *, size: int, stride: int, padding: int = 0) -> Array:
    return lax.reduce_window(
        x,
        -jnp.inf,
        lax.max,
        window_dimensions=(1, size, size, 1),
        window_strides=(1, stride, stride, 1),
        padding=((0, 0), (padding, padding), (padding, padding), (0, 0)),
    )


def global_avg_pool(x: Array) -> Array:
    return jnp.mean(x, axis=(1, 2))


@recompute
def embedding(table: Array, ids: Array) -> Array:
    return table.at[ids].get(mode="promise_in_bounds")


def split(x: Array, *, parts: int) -> list[Array]:
    return jnp.split(x, parts, axis=-1)


@keeps_statistics
def cross_entropy(logits: Array, labels: Array) -> Array:
    # As optax has it: the normaliser is taken off the label's logit only, not off all of them.
    logits = logits.astype(jnp.float32)
    largest = statistic(lax.stop_gradient(jnp.max(logits, axis=-1, keepdims=True)))
    total = statistic(jnp.sum(jnp.exp(logits - largest), axis=-1, keepdims=True))
    picked = jnp.take_along_axis(logits, labels[..., None], axis=-1, mode="promise_in_bounds")
    return jnp.mean(jnp.log(total) + largest - picked)


@functools.partial(keeps_statistics, static_argnums=(2,))
def _rms_norm(x: Array, scale: Array, eps: float) -> Array:
    wide = x.astype(jnp.float32)
    size = statistic(lax.rsqrt(jnp.mean(wide * wide, axis=-1, keepdims=True) + eps))
    return (wide * (size * scale)).astype(x.dtype)


def rms_norm(x: Array, scale: Array, *, eps: float) -> Array:
    return _rms_norm(x, scale, eps)


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


@functools.partial(keeps_statistics, static_argnums=(3, 4))
def _group_norm(x: Array, scale: Array, shift: Array, groups: int, eps: float) -> Array:
    grouped = x.astype(jnp.float32).reshape(*x.shape[:-1], groups, -1)
    mean, factor = _statistics(grouped, (1, 2, 4), eps)
    # Scaled in the image's own shape: by group, its gradient took twice as long.
    return (((grouped - mean) * factor).reshape(x.shape) * scale + shift).astype(x.dtype)


def group_norm(x: Array, scale: Array, shift: Array, *, groups: int, eps: float) -> Array:
    return _group_norm(x, scale, shift, groups, eps)


relu6 = from_output(jax.nn.relu6, lambda y, tangent: _where((y > 0) & (y < 6), tangent))


def leaky_relu(x: Array, *, slope: float) -> Array:
    def scaled(y: Array, tangent: Array) -> Array:
        return lax.select(y > 0, tangent, slope * tangent)

    return from_output(lambda x: lax.max(x, slope * x), scaled)(x)


@recompute
def hard_swish(x: Array) -> Array:
    return jax.nn.hard_swish(x)


def avg_pool(x: Array, *, size: int, stride: int) -> Array:
    total = lax.reduce_window(x, 0.0, lax.add, (1, size, size, 1), (1, stride, stride, 1), "VALID")
    return total / (size * size)


def upsample(x: Array, *, factor: int) -> Array:
    n, height, width, channels = x.shape
    each = jnp.broadcast_to(x[:, :, None, :, None], (n, height, factor, width, factor, channels))
    return each.reshape(n, height * factor, width * factor, channels)


def concatenate(*arrays: Array, axis: int) -> Array:
    return jnp.concatenate(arrays, axis)


def flatten(x: Array) -> Array:
    return x.reshape(x.shape[0], -1)


@recompute
def mse(a: Array, b: Array) -> Array:
    return jnp.mean(jnp.square(a.astype(jnp.float32) - b.astype(jnp.float32)))
