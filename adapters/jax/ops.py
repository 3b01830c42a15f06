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
from jax.ad_checkpoint import checkpoint_name
from jax.custom_derivatives import linear_call

_recompute = functools.partial(jax.checkpoint, prevent_cse=False)
_statistic = functools.partial(checkpoint_name, name="statistic")
_keeps_statistics = functools.partial(_recompute, policy=jax.checkpoint_policies.save_only_these_names("statistic"))


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


@functools.partial(_recompute, static_argnums=(5,))
def _normalise_by(x: Array, scale: Array, shift: Array, mean: Array, variance: Array, eps: float) -> Array:
    # As flax has it: one factor for each channel, in float32.
    factor = lax.rsqrt(variance.astype(jnp.float32) + eps) * scale
    return ((x - mean) * factor + shift).astype(x.dtype)


def layer_norm(x: Array, scale: Array, shift: Array, *, eps: float) -> Array:
    return _normalise(x, scale, shift, (-1,), eps)


@functools.partial(_keeps_statistics, static_argnums=(3, 4))
def _normalise(x: Array, scale: Array, shift: Array, axes: tuple[int, ...], eps: float) -> Array:
    # Statistics in float32 whatever the precision, as flax has them.
    wide = x.astype(jnp.float32)
    mean = _statistic(jnp.mean(wide, axes, keepdims=True))
    centred = wide - mean
    deviation = _statistic(lax.rsqrt(jnp.mean(centred * centred, axes, keepdims=True) + eps))
    return (centred * (deviation * scale) + shift).astype(x.dtype)


def attention(q: Array, k: Array, v: Array, *, heads: int, causal: bool) -> Array:
    # Einsums as in flax: jax.nn.dot_product_attention maps over groups of heads, which costs a third more time on
    # a CPU, and keeps seven arrays.
    q, k, v = (x.reshape(*x.shape[:-1], heads, -1) for x in (q, k, v))
    scores = jnp.einsum("bqhd,bkhd->bhqk", q, k)
    # A scalar of the same type is a literal; a Python number would be one more array to keep.
    scores *= scores.dtype.type(1 / math.sqrt(q.shape[-1]))
    if causal:
        # Added, not selected: a select keeps its mask and an array of zeros for the backward pass.
        past = jnp.tri(scores.shape[-2], dtype=jnp.bool_)
        scores += jnp.where(past, 0, jnp.finfo(scores.dtype).min).astype(scores.dtype)
    y = jnp.einsum("bhqk,bkhd->bqhd", _softmax(scores), v)
    return y.reshape(*y.shape[:-2], -1)


@jax.custom_jvp
def _softmax(x: Array) -> Array:
    return jax.nn.softmax(x.astype(jnp.float32)).astype(x.dtype)


@_softmax.defjvp
def _softmax_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    # Needs the output only; jax's own rule keeps the exponentials, their sum and its square as well.
    (y,), (tangent,) = (_softmax(*primals),), tangents
    return y, y * (tangent - jnp.sum(y * tangent, axis=-1, keepdims=True))


@jax.custom_jvp
def relu(x: Array) -> Array:
    return lax.max(x, lax.full_like(x, 0))


@relu.defjvp
def _relu_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    # linear_call keeps its first argument as it is: the output, which the next layer keeps anyway.
    y = relu(*primals)
    return y, linear_call(_where_positive, _where_positive, y, *tangents)


def _where_positive(y: Array, tangent: Array) -> Array:
    return lax.select(y > 0, tangent, lax.full_like(tangent, 0))


@_recompute
def gelu(x: Array) -> Array:
    return jax.nn.gelu(x, approximate=True)


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


@_recompute
def embedding(table: Array, ids: Array) -> Array:
    return table.at[ids].get(mode="promise_in_bounds")


def split(x: Array, *, parts: int) -> list[Array]:
    return jnp.split(x, parts, axis=-1)


@_keeps_statistics
def cross_entropy(logits: Array, labels: Array) -> Array:
    # As optax has it: the normaliser is taken off the label's logit only, not off all of them.
    logits = logits.astype(jnp.float32)
    largest = _statistic(lax.stop_gradient(jnp.max(logits, axis=-1, keepdims=True)))
    total = _statistic(jnp.sum(jnp.exp(logits - largest), axis=-1, keepdims=True))
    picked = jnp.take_along_axis(logits, labels[..., None], axis=-1, mode="promise_in_bounds")
    return jnp.mean(jnp.log(total) + largest - picked)
