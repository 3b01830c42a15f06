"""The op catalogue in jax: images [N, H, W, C], convolution weights [kh, kw, in, out], linear weights [in, out].

jax differentiates every op. Left alone it would keep intermediate arrays that the backward pass can do without: six
of the size of the attention weights, four of a gelu's input, three of a norm's, two of a relu's. Written to memory
by a forward pass that stands alone, they are work that no training step does, since one program for both fuses
them away. So each op keeps one array. Where that takes `jax.checkpoint`, backward repeats an elementwise pass, and
`prevent_cse=False` leaves the compiler free wherever forward and backward are one program.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jax import Array, lax

from .checkpointing import from_output, keeps_statistics, recompute, statistic
from .images import *  # noqa: F403  (part of the catalogue, as are the other families)
from .mixed import wide
from .norms import *  # noqa: F403
from .recurrent import *  # noqa: F403
from .sequence import *  # noqa: F403


def linear(x: Array, w: Array, b: Array | None = None) -> Array:
    y = x @ w
    return y if b is None else y + b


def tied_linear(x: Array, table: Array) -> Array:
    return jnp.einsum("...w,ew->...e", x, table)


def _where(condition: Array, tangent: Array) -> Array:
    return lax.select(condition, tangent, lax.full_like(tangent, 0))


relu = from_output(lambda x: lax.max(x, lax.full_like(x, 0)), lambda y, tangent: _where(y > 0, tangent))


def gelu(x: Array, *, approximate: bool = True) -> Array:
    return recompute(functools.partial(jax.nn.gelu, approximate=approximate))(x)


def add(a: Array, b: Array) -> Array:
    return a + b


@recompute
def embedding(table: Array, ids: Array) -> Array:
    return table.at[ids].get(mode="promise_in_bounds")


def split(x: Array, *, parts: int) -> list[Array]:
    return jnp.split(x, parts, axis=-1)


@keeps_statistics
def cross_entropy(logits: Array, labels: Array) -> Array:
    # As optax has it: the normaliser is taken off the label's logit only, not off all of them.
    logits = wide(logits)
    largest = statistic(lax.stop_gradient(jnp.max(logits, axis=-1, keepdims=True)))
    total = statistic(jnp.sum(jnp.exp(logits - largest), axis=-1, keepdims=True))
    picked = jnp.take_along_axis(logits, labels[..., None], axis=-1, mode="promise_in_bounds")
    return jnp.mean(jnp.log(total) + largest - picked)


relu6 = from_output(jax.nn.relu6, lambda y, tangent: _where((y > 0) & (y < 6), tangent))


def leaky_relu(x: Array, *, slope: float) -> Array:
    def scaled(y: Array, tangent: Array) -> Array:
        return lax.select(y > 0, tangent, slope * tangent)

    return from_output(lambda x: lax.max(x, slope * x), scaled)(x)


@recompute
def hard_swish(x: Array) -> Array:
    return jax.nn.hard_swish(x)


def concatenate(*arrays: Array, axis: int) -> Array:
    return jnp.concatenate(arrays, axis)


def flatten(x: Array) -> Array:
    return x.reshape(x.shape[0], -1)


@recompute
def mse(a: Array, b: Array) -> Array:
    return jnp.mean(jnp.square(wide(a) - wide(b)))


sigmoid = from_output(jax.nn.sigmoid, lambda y, tangent: tangent * (y * (1 - y)))


tanh = from_output(jnp.tanh, lambda y, tangent: tangent * (1 - y * y))


@recompute
def silu(x: Array) -> Array:
    return jax.nn.silu(x)


def multiply(a: Array, b: Array) -> Array:
    return a * b


def dropout(x: Array, mask: Array, *, rate: float) -> Array:
    # The factor is made of the mask again in the backward pass.
    return recompute(lambda x, mask: x * (mask.astype(x.dtype) * x.dtype.type(1 / (1 - rate))))(x, mask)
