"""Arrays of several types: multiplies in bf16 over float32 arrays, as flax has them, and what is kept wide."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from .split import Arrays


def narrow(array: Array) -> Array:
    """The array in bf16, if its elements are numbers that are rounded."""
    return array.astype(jnp.bfloat16) if jnp.issubdtype(array.dtype, jnp.floating) else array


def narrowed(arrays: Arrays) -> Arrays:
    """What a program computes with, cast inside of it, as by flax's `dtype=bfloat16`: gradients come out in float32."""
    return {name: narrow(array) for name, array in arrays.items()}


def wide(array: Array) -> Array:
    """The array in float32 at least."""
    return array.astype(jnp.promote_types(array.dtype, jnp.float32))
