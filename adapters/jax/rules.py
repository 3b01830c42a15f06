"""Ways to differentiate a workload: each gives the loss with what to keep, and the gradients from what was kept.

Functions of `(sources, rest)`: the arrays for which gradients are asked, and all others, by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from harness.workload.backprop import Step, run_backward, run_forward
from harness.workload.interpret import interpreter
from harness.workload.jacobian import run_backward_by_jacobians
from harness.workload.trace import Graph

from ..base import Choices
from . import primitives
from .split import Arrays, Split


class Rule(NamedTuple):
    """The functions behind the phases, to be jitted."""

    loss: Callable[[Arrays, Arrays], Array]
    split: Split
    gradient: Callable[[Arrays, Arrays], tuple[Array, Arrays]]


def reverse(graph: Graph, ops: Any, choices: Choices) -> Rule:
    """jax's own reverse mode."""

    def loss_with(residuals: str) -> Callable[[Arrays, Arrays], Array]:
        run = interpreter(graph, ops, residuals, jax.checkpoint)

        def loss(sources: Arrays, rest: Arrays) -> Array:
            # The interpreter looks parameters and inputs up by name, each among its own.
            everything = rest | sources
            return run(everything, everything).astype(jnp.float32)

        return loss

    loss = loss_with(choices.residuals)

    def run(sources: Arrays, rest: Arrays) -> tuple[Array, Any]:
        return jax.vjp(lambda wanted: loss(wanted, rest), sources)

    def pull(vjp: Any) -> Arrays:
        (gradients,) = vjp(jnp.ones((), jnp.float32))
        return gradients

    # With the value, else XLA would delete the end of forward.
    return Rule(loss_with("store"), Split(run, pull), jax.value_and_grad(loss))


def by_hand(graph: Graph, choices: Choices) -> Rule:
    """The catalogue's rules in jax's ops."""
    recompute = choices.autodiff == "by_hand_recomputed"
    backward = run_backward_by_jacobians if choices.autodiff == "jacobian" else run_backward

    def loss(sources: Arrays, rest: Arrays) -> Array:
        return run_forward(primitives, graph, rest | sources, keep=False)[0].astype(jnp.float32)

    def run(sources: Arrays, rest: Arrays) -> tuple[Array, Any]:
        value, steps = run_forward(primitives, graph, rest | sources, recompute=recompute)
        return value.astype(jnp.float32), steps

    def pull(steps: list[Step]) -> Arrays:
        return backward(primitives, graph, steps, 1.0)  # a Python number takes the type of what it meets

    def gradient(sources: Arrays, rest: Arrays) -> tuple[Array, Arrays]:
        value, kept = run(sources, rest)
        return value, pull(kept)

    return Rule(loss, Split(run, pull), gradient)


def _flatten(step: Step) -> tuple[tuple[Any, ...], Any]:
    arrays = [x for x in step.inputs if isinstance(x, Array)]
    return (arrays, step.local), (step.call, [None if isinstance(x, Array) else x for x in step.inputs])


def _unflatten(described: Any, parts: Any) -> Step:
    (call, shapes), (arrays, local) = described, parts
    given = iter(arrays)
    return Step(call, tuple(next(given) if shape is None else shape for shape in shapes), local)


jax.tree_util.register_pytree_node(Step, _flatten, _unflatten)
