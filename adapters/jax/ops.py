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
from collections.abc import Callable
from typing import Any

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


def _from_output(function: Callable[[Array], Array], scaled: Callable[[Array, Array], Array]) -> Any:
    """An activation whose slope its output tells: `scaled(y, tangent)` is the tangent times the slope."""
    activation = jax.custom_jvp(function)

    @activation.defjvp
    def jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
        # linear_call keeps its first argument as it is: the output, which the next layer keeps anyway.
        y = activation(*primals)
        return y, linear_call(scaled, scaled, y, *tangents)

    return activation


def _where(condition: Array, tangent: Array) -> Array:
    return lax.select(condition, tangent, lax.full_like(tangent, 0))


relu = _from_output(lambda x: lax.max(x, lax.full_like(x, 0)), lambda y, tangent: _where(y > 0, tangent))


def gelu(x: Array, *, approximate: bool = True) -> Array:
    return _recompute(functools.partial(jax.nn.gelu, approximate=approximate))(x)


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


def conv_transpose2d(x: Array, w: Array, b: Array | None = None, *, stride: int) -> Array:
    y = lax.conv_transpose(
        x,
        w,
        strides=(stride, stride),
        padding=[(k - 1, k - 1) for k in w.shape[:2]],
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        transpose_kernel=True,
    )
    return y if b is None else y + b


def group_norm(x: Array, scale: Array, shift: Array, *, groups: int, eps: float) -> Array:
    grouped, scale, shift = (a.reshape(*a.shape[:-1], groups, -1) for a in (x, scale, shift))
    return _normalise(grouped, scale, shift, (1, 2, 4), eps).reshape(x.shape)


relu6 = _from_output(jax.nn.relu6, lambda y, tangent: _where((y > 0) & (y < 6), tangent))


def leaky_relu(x: Array, *, slope: float) -> Array:
    def scaled(y: Array, tangent: Array) -> Array:
        return lax.select(y > 0, tangent, slope * tangent)

    return _from_output(lambda x: lax.max(x, slope * x), scaled)(x)


@_recompute
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


@_recompute
def mse(a: Array, b: Array) -> Array:
    return jnp.mean(jnp.square(a.astype(jnp.float32) - b.astype(jnp.float32)))


def multiply(a: Array, b: Array) -> Array:
    return a * b
