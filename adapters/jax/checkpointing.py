"""Checkpoints by which a jax op keeps one array for its backward pass, not the several that jax would keep."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
from jax import Array
from jax.ad_checkpoint import checkpoint_name
from jax.custom_derivatives import linear_call

recompute = functools.partial(jax.checkpoint, prevent_cse=False)
statistic = functools.partial(checkpoint_name, name="statistic")
keeps_statistics = functools.partial(recompute, policy=jax.checkpoint_policies.save_only_these_names("statistic"))


def from_output(function: Callable[[Array], Array], scaled: Callable[[Array, Array], Array]) -> Any:
    """An activation whose slope its output tells: `scaled(y, tangent)` is the tangent times the slope."""
    activation = jax.custom_jvp(function)

    @activation.defjvp
    def jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
        # linear_call keeps its first argument as it is: the output, which the next layer keeps anyway.
        y = activation(*primals)
        return y, linear_call(scaled, scaled, y, *tangents)

    return activation
