"""jax's own reverse mode, as a rule: the loss with what to keep, and the gradients from what was kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from harness.workload.interpret import interpreter
from harness.workload.trace import Graph

from .mixed import narrowed, wide
from .split import Arrays, DifferentiationRule, Split


def reverse(graph: Graph, ops: Any, residuals: str, mixed: bool) -> DifferentiationRule:
    """Differentiate by `jax.vjp`, with the ops of `ops` and checkpoints where `residuals` asks for them."""

    def loss_with(residuals: str) -> Callable[[Arrays, Arrays], Any]:
        run = interpreter(graph, ops, residuals, jax.checkpoint)

        def loss(sources: Arrays, rest: Arrays) -> Any:
            # The interpreter looks parameters and inputs up by name, each among its own.
            everything = narrowed(rest | sources) if mixed else rest | sources
            result = run(everything, everything)
            return result if graph.cotangents else wide(result)

        return loss

    loss = loss_with(residuals)

    def run(sources: Arrays, rest: Arrays) -> tuple[Any, Any]:
        value, vjp = jax.vjp(lambda wanted: loss(wanted, rest), sources)
        return value, (vjp, graph.start(rest, ()))

    def pull(kept: Any) -> Arrays:
        vjp, cotangents = kept
        (gradients,) = vjp(cotangents or jnp.ones(()))  # float32, or in fp64 float64, as the loss
        return gradients

    def gradient(sources: Arrays, rest: Arrays) -> tuple[Any, Arrays]:
        value, kept = run(sources, rest)
        return value, pull(kept)

    # With the value, else XLA would delete the end of forward.
    return DifferentiationRule(
        loss_with("store"), Split(run, pull), gradient if graph.cotangents else jax.value_and_grad(loss)
    )
