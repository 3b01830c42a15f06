"""Backprop by the catalogue's rules, in jax's ops, as a rule like that of `autodiff.py`."""

from __future__ import annotations

from typing import Any

import jax
from jax import Array

from harness.workload.backprop import Step
from harness.workload.trace import Graph

from ..common.manual import Backprop, Mixed
from . import primitives
from .mixed import narrow, wide
from .split import Arrays, DifferentiationRule, Split


def by_hand(graph: Graph, autodiff: str, mixed: bool) -> DifferentiationRule:
    """Backprop by the catalogue's rules, as the choice `autodiff` asks for it."""
    rules = Backprop(primitives, graph, autodiff)
    backprop = Mixed(rules, narrow, wide) if mixed else rules

    def loss_widened(result: Any) -> Any:
        return result if graph.cotangents else wide(result)

    def loss(sources: Arrays, rest: Arrays) -> Any:
        return loss_widened(backprop.loss(rest | sources))

    def run(sources: Arrays, rest: Arrays) -> tuple[Any, Any]:
        value, steps = backprop.forward(rest | sources)
        return loss_widened(value), (steps, graph.start(rest, ()))

    def pull(kept: Any) -> Arrays:
        steps, cotangents = kept
        return backprop.backward(steps, cotangents or 1.0)  # a Python number takes the type of what it meets

    def gradient(sources: Arrays, rest: Arrays) -> tuple[Any, Arrays]:
        value, kept = run(sources, rest)
        return value, pull(kept)

    return DifferentiationRule(loss, Split(run, pull), gradient)


def _flatten(step: Step) -> tuple[tuple[Any, ...], Any]:
    arrays = [x for x in step.inputs if isinstance(x, Array)]
    return (arrays, step.local), (step.call, [None if isinstance(x, Array) else x for x in step.inputs])


def _unflatten(described: Any, parts: Any) -> Step:
    (call, shapes), (arrays, local) = described, parts
    given = iter(arrays)
    return Step(call, tuple(next(given) if shape is None else shape for shape in shapes), local)


jax.tree_util.register_pytree_node(Step, _flatten, _unflatten)
