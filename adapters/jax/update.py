"""The phase `update`: one optimizer step, jitted, in the formulas of jax's usual optimizer library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from harness.workload.optimizer import BETA1, BETA2, EPSILON, RATES

from ..base import Executed, Program
from ..common import hlo
from .executable import Executable
from .split import Arrays


class Update:
    """Steps copies of the parameters, so that the other phases keep theirs.

    Parameters and moments are donated, as in a training loop: the arrays of the step before are used up.
    """

    def __init__(self, optimizer: str, program: Program, executable: Callable[..., Executable]) -> None:
        parameters = program.parameters()
        zeros = jax.tree.map(jnp.zeros_like, parameters)
        copies = jax.tree.map(jnp.copy, parameters)
        if optimizer == "sgd":
            self._state: Any = (copies,)
            self._step = executable(_sgd, donate=(0,))
        else:
            self._state = copies, zeros, jax.tree.map(jnp.copy, zeros), jnp.zeros((), jnp.int32)
            self._step = executable(_adam, donate=(0,))
        jax.block_until_ready(self._state)

    def __call__(self, pair: tuple[Array, Mapping[str, Array]]) -> Arrays:
        self._state = self._step(self._state, {name: pair[1][name] for name in self._state[0]})
        return self._state[0]

    def executed(self) -> Executed:
        return hlo.executed(self._step.hlo())


def _sgd(state: tuple[Arrays], gradients: Arrays) -> tuple[Arrays]:
    return (jax.tree.map(lambda p, g: p - RATES["sgd"] * g, state[0], gradients),)


def _adam(state: Any, gradients: Arrays) -> Any:
    parameters, means, squares, count = state
    count += 1
    means = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, means, gradients)
    squares = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, squares, gradients)
    # Both moments start at zero; this takes out the bias.
    first, second = 1 - BETA1**count, 1 - BETA2**count

    def step(p: Array, m: Array, v: Array) -> Array:
        return p - (RATES["adam"] * (m / first) / (jnp.sqrt(v / second) + EPSILON)).astype(p.dtype)

    return jax.tree.map(step, parameters, means, squares), means, squares, count
