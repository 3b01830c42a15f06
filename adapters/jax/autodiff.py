"""jax's own reverse mode, as a rule: the loss with what to keep, and the gradients from what was kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from harness.workload.interpret import interpreter
from harness.workload.trace import Graph

from .mixed import narrowed
from .split import Arrays, Rule, Split


def reverse(graph: Graph, ops: Any, residuals: str, mixed: bool) -> Rule:
    """By `jax.vjp`, in the catalogue `ops`, with checkpoints as `residuals` asks for them."""

    def loss_with(residuals: str) -> Callable[[Arrays, Arrays], Array]:
        run = interpreter(graph, ops, residuals, jax.checkpoint)

        def loss(sources: Arrays, rest: Arrays) -> Array:
            # The interpreter looks parameters and inputs up by name, each among its own.
            everything = narrowed(rest | sources) if mixed else rest | sources
            return run(everything, everything).astype(jnp.float32)

        return loss

    loss = loss_with(residuals)

    def run(sources: Arrays, rest: Arrays) -> tuple[Array, Any]:
        return jax.vjp(lambda wanted: loss(wanted, rest), sources)

    def pull(vjp: Any) -> Arrays:
        (gradients,) = vjp(jnp.ones((), jnp.float32))
        return gradients

    # With the value, else XLA would delete the end of forward.
    return Rule(loss_with("store"), Split(run, pull), jax.value_and_grad(loss))
