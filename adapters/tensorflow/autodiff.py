"""TensorFlow's own ways to differentiate a workload, the same eagerly and in a traced function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import compress
from types import SimpleNamespace
from typing import Any, Protocol

import tensorflow as tf
from tensorflow.python.eager import record

from harness.workload.interpret import interpreter
from harness.workload.trace import Graph

from ..common.numbered import Numbered, Op
from . import ops
from .mixed import narrow

Values = Mapping[str, tf.Tensor]


class DifferentiationRule(Protocol):
    """How a workload is differentiated. `values` are parameters and inputs by name."""

    def infer(self, values: Values) -> Any:
        """The loss, or a tuple of outputs; nothing is recorded for a gradient."""

    def run(self, values: Values) -> tuple[Any, Any]:
        """The loss, and what `pull` needs."""

    def pull(self, kept: Any) -> list[tf.Tensor]:
        """The gradient of each source, in order."""


class Reverse:
    """Differentiates a workload of the catalogue by a gradient tape."""

    def __init__(
        self, graph: Graph, residuals: str, xla: bool, mixed: bool, wrap: Callable[[int, Op], Op] | None = None
    ) -> None:
        """`wrap`, if given, makes the op of each call from its place in the trace and the op."""
        self.wrapped_by = partial(Reverse, graph, residuals, xla, mixed)
        self._sources = tuple(graph.sources)
        catalogue: Any = _without_resize() if xla else ops
        catalogue = Numbered(catalogue, len(graph.calls), wrap) if wrap else catalogue
        self._start = graph.start
        self._plain: Callable[..., Any] = interpreter(graph, catalogue)
        self._loss: Callable[..., Any] = interpreter(graph, catalogue, residuals, _checkpoint)
        self._mixed = mixed

    def infer(self, values: Values) -> Any:
        values = narrowed(values) if self._mixed else values
        return self._plain(values, values)

    def run(self, values: Values) -> tuple[Any, Any]:
        sources = [values[name] for name in self._sources]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(sources)
            values = narrowed(values) if self._mixed else values
            result = self._loss(values, values)
        return result, (tape, result, sources, self._start(values, None))

    def pull(self, kept: Any) -> list[tf.Tensor]:
        tape, result, sources, cotangents = kept
        return tape.gradient(result, sources, cotangents)


def narrowed(values: Values) -> Values:
    """Parameters cast to bf16 where they are used, as Keras's policy `mixed_bfloat16` does: gradients are float32."""
    return {name: narrow(value) for name, value in values.items()}


def forward_mode(graph: Graph, mixed: bool) -> Callable[[Values, Values], tuple[Any, Any]]:
    """A function of `(values, directions)`: the loss or outputs, and their derivative along the directions."""
    run: Callable[..., Any] = interpreter(graph, _without_resize())

    def tangent(values: Values, directions: Values) -> tuple[Any, Any]:
        sources = [values[name] for name in graph.sources]
        with tf.autodiff.ForwardAccumulator(sources, [directions[name] for name in graph.sources]) as accumulator:
            values = narrowed(values) if mixed else values
            loss = run(values, values)
        return loss, accumulator.jvp(loss)

    return tangent


def _without_resize() -> SimpleNamespace:
    """The ops, with an upsampling that XLA and forward mode can differentiate."""
    return SimpleNamespace(**vars(ops) | {"upsample": ops.upsample_by_broadcast})


def _checkpoint(function: Callable[..., Any]) -> Callable[..., Any]:
    """`tf.recompute_grad`, without the arguments that need no gradient: eagerly it would compute theirs too."""

    def call(*arguments: tf.Tensor) -> Any:
        watched = [record.should_record_backprop([argument]) for argument in arguments]

        def of_watched(*given: tf.Tensor) -> Any:
            rest = iter(given)
            return function(*(next(rest) if w else argument for w, argument in zip(watched, arguments, strict=True)))

        return tf.recompute_grad(of_watched)(*compress(arguments, watched))

    return call
