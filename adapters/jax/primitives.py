"""The catalogue's array primitives in jax: what hand-written backprop is composed of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.numpy import (  # noqa: F401  (part of the primitives)
    broadcast_to,
    exp,
    matmul,
    maximum,
    mean,
    minimum,
    reshape,
    stack,
    sum,
    tanh,
    transpose,
    where,
)

from . import ops

erf, rsqrt = lax.erf, lax.rsqrt


def zeros(shape: Sequence[int], like: Array) -> Array:
    return jnp.zeros(shape, like.dtype)


def step(x: Array) -> Array:
    return (x > 0).astype(x.dtype)


def take(table: Array, ids: Array) -> Array:
    return table.at[ids].get(mode="promise_in_bounds")


def scatter_add(shape: Sequence[int], ids: Array, values: Array) -> Array:
    return jnp.zeros(shape, values.dtype).at[ids].add(values, mode="promise_in_bounds")


def pick(x: Array, ids: Array) -> Array:
    return jnp.take_along_axis(x, ids[..., None], axis=-1, mode="promise_in_bounds")[..., 0]


def one_hot(ids: Array, n: int, like: Array) -> Array:
    return jax.nn.one_hot(ids, n, dtype=like.dtype)


def split(x: Array, parts: int) -> tuple[Array, ...]:
    return tuple(jnp.split(x, parts, axis=-1))


def concatenate(parts: Sequence[Array], axis: int = -1) -> Array:
    return jnp.concatenate(parts, axis)


def below_diagonal(x: Array) -> Array:
    return x[(..., *np.tril_indices(x.shape[-1], -1))]


def from_below_diagonal(values: Array, n: int) -> Array:
    zero = jnp.zeros((*values.shape[:-1], n, n), values.dtype)
    return zero.at[(..., *np.tril_indices(n, -1))].set(values, mode="promise_in_bounds", unique_indices=True)


def log_softmax(x: Array) -> Array:
    return jax.nn.log_softmax(x)


def softmax(x: Array) -> Array:
    return jax.nn.softmax(x)


def causal(scores: Array) -> Array:
    return jnp.where(jnp.tri(scores.shape[-2], dtype=jnp.bool_), scores, -jnp.inf)


def conv2d(x: Array, w: Array, stride: int, padding: int, groups: int) -> Array:
    return ops.conv2d(x, w, stride=stride, padding=padding, groups=groups)


# A convolution is linear in either operand; its transpose is the convolution that carries a gradient back.


def conv2d_dx(grad: Array, w: Array, x_shape: Sequence[int], stride: int, padding: int, groups: int) -> Array:
    return _transposed(lambda x: conv2d(x, w, stride, padding, groups), x_shape, grad)


def conv2d_dw(grad: Array, x: Array, w_shape: Sequence[int], stride: int, padding: int, groups: int) -> Array:
    return _transposed(lambda w: conv2d(x, w, stride, padding, groups), w_shape, grad)


def _transposed(function: Callable[[Array], Array], shape: Sequence[int], grad: Array) -> Array:
    (result,) = jax.linear_transpose(function, jax.ShapeDtypeStruct(tuple(shape), grad.dtype))(grad)
    return result


def max_pool2d(x: Array, size: int, stride: int, padding: int) -> Array:
    return ops.max_pool(x, size=size, stride=stride, padding=padding)


def max_pool2d_dx(grad: Array, x: Array, y: Any, size: int, stride: int, padding: int) -> Array:
    """XLA scatters to the winner of each window, which it finds in x; y is not needed."""
    (dx,) = jax.vjp(lambda image: max_pool2d(image, size, stride, padding), x)[1](grad)
    return dx


def avg_pool2d(x: Array, size: int, stride: int) -> Array:
    return ops.avg_pool(x, size=size, stride=stride)


def avg_pool2d_dx(grad: Array, x_shape: Sequence[int], size: int, stride: int) -> Array:
    return _transposed(lambda x: avg_pool2d(x, size, stride), x_shape, grad)
