"""Ways to differentiate a workload, the same eagerly and in a traced function.

`infer(values)` is the loss; `run(values)` the loss and what to keep; `pull(kept)` the gradient of each source, in
order. `values` are parameters and inputs by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import compress
from types import SimpleNamespace
from typing import Any

import tensorflow as tf
from tensorflow.python.eager import record

from adapters.base import Choices
from harness.workload.backprop import run_backward, run_forward
from harness.workload.interpret import interpreter
from harness.workload.jacobian import run_backward_by_jacobians
from harness.workload.trace import Graph

from . import ops, primitives

Values = Mapping[str, tf.Tensor]


class Reverse:
    """TensorFlow's own: a gradient tape."""

    def __init__(self, graph: Graph, choices: Choices, xla: bool) -> None:
        self._sources = tuple(graph.sources)
        without_resize = SimpleNamespace(**vars(ops) | {"upsample": ops.upsample_by_broadcast})
        catalogue: Any = without_resize if xla else ops
        self._plain: Callable[..., tf.Tensor] = interpreter(graph, catalogue)
        self._loss: Callable[..., tf.Tensor] = interpreter(graph, catalogue, choices.residuals, _checkpoint)
        self._forward_mode: Callable[..., tf.Tensor] = interpreter(graph, without_resize)

    def infer(self, values: Values) -> tf.Tensor:
        return self._plain(values, values)

    def run(self, values: Values) -> tuple[tf.Tensor, Any]:
        sources = [values[name] for name in self._sources]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(sources)
            loss = self._loss(values, values)
        return loss, (tape, loss, sources)

    def pull(self, kept: Any) -> list[tf.Tensor]:
        tape, loss, sources = kept
        return tape.gradient(loss, sources)

    def tangent(self, values: Values, directions: Values) -> tuple[tf.Tensor, tf.Tensor]:
        """The loss, and its derivative along `directions`."""
        sources = [values[name] for name in self._sources]
        with tf.autodiff.ForwardAccumulator(sources, [directions[name] for name in self._sources]) as accumulator:
            loss = self._forward_mode(values, values)
        return loss, accumulator.jvp(loss)


def _checkpoint(function: Callable[..., Any]) -> Callable[..., Any]:
    """`tf.recompute_grad`, without the arguments that need no gradient: eagerly it would compute theirs too."""

    def call(*arguments: tf.Tensor) -> Any:
        watched = [record.should_record_backprop([argument]) for argument in arguments]

        def of_watched(*given: tf.Tensor) -> Any:
            rest = iter(given)
            return function(*(next(rest) if w else argument for w, argument in zip(watched, arguments, strict=True)))

        return tf.recompute_grad(of_watched)(*compress(arguments, watched))

    return call


class ByHand:
    """The catalogue's rules in TensorFlow's ops."""

    def __init__(self, graph: Graph, choices: Choices) -> None:
        self._graph = graph
        self._recompute = choices.autodiff == "by_hand_recomputed"
        self._backward = run_backward_by_jacobians if choices.autodiff == "jacobian" else run_backward

    def infer(self, values: Values) -> tf.Tensor:
        return run_forward(primitives, self._graph, values, keep=False)[0]

    def run(self, values: Values) -> tuple[tf.Tensor, Any]:
        loss, steps = run_forward(primitives, self._graph, values, recompute=self._recompute)
        return loss, (steps, loss.dtype)

    def pull(self, kept: Any) -> list[tf.Tensor]:
        steps, dtype = kept
        gradients = self._backward(primitives, self._graph, steps, tf.ones((), dtype))
        return [gradients[name] for name in self._graph.sources]
