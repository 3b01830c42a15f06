"""Has a gradient tape name what it computes after the op of a user's own model that it is a gradient of.

By itself a tape names it after the layer that called the op.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import tensorflow as tf
from tensorflow.python import pywrap_tfe
from tensorflow.python.eager import execute

from ..common.own_ops import OwnOp, line_of, written

_GRADIENT = "gradient_tape/"
_AGAIN = re.compile(r"_\d+$")  # ends the name of a scope that is entered again

Values = Mapping[str, tf.Tensor]


@contextmanager
def _gradients_named(name: Callable[[Sequence[Any]], str]) -> Iterator[None]:
    """Gradients of the ops that a tape records are computed in the scope that `name` makes of an op's results."""
    before = execute.record_gradient

    def record(kind: str, inputs: Any, attributes: Any, outputs: Any) -> None:
        pywrap_tfe.TFE_Py_RecordGradient(kind, inputs, attributes, outputs, name(outputs))

    execute.record_gradient = record
    try:
        yield
    finally:
        execute.record_gradient = before


class Layers:
    """The layers of a Keras model, by the scopes that they open."""

    def __init__(self, model: Any) -> None:
        self._model = model.name
        self._names = {layer.name for layer in model._flatten_layers()}

    def scopes(self, path: str) -> tuple[str, ...]:
        """The scopes within that of the whole model: `sequential_1/dense_1` are those of `dense`."""
        parts = [self._layer(part) for part in path.split("/") if part]
        return tuple(parts[1:] if parts[:1] == [self._model] else parts)

    def _layer(self, scope: str) -> str:
        plain = _AGAIN.sub("", scope)
        return plain if scope not in self._names and plain in self._names else scope


class TracedOps:
    """A rule of a user's own model, whose ops in a traced graph are known with their gradients."""

    def __init__(self, rule: Any, layers: Layers) -> None:
        self.infer, self.pull = rule.infer, rule.pull
        self._rule, self._layers = rule, layers
        self._numbers: dict[str, int] = {}
        self.calls: list[OwnOp] = []

    def run(self, values: Values) -> tuple[tf.Tensor, Any]:
        """The rule's forward pass, in a graph that is being traced; it makes the `calls`."""
        graph = tf.compat.v1.get_default_graph()
        given = set(graph.get_operations())
        with _gradients_named(lambda outputs: outputs[0].op.name if outputs else ""):
            result = self._rule.run(values)
        traced = [op for op in graph.get_operations() if op not in given]
        self._numbers = {op.name: number for number, op in enumerate(traced)}
        self.calls = [self._traced(op) for op in traced]
        return result

    def number_of(self, label: str) -> int | None:
        """The op that something belongs to by its name, which begins with the op's after `gradient_tape/`, if any."""
        parts = label.removeprefix(_GRADIENT).split("/")
        names = ("/".join(parts[:length]) for length in range(len(parts), 0, -1))
        return next((self._numbers[name] for name in names if name in self._numbers), None)

    def _traced(self, op: tf.Operation) -> OwnOp:
        frames = [(frame.filename, frame.lineno) for frame in reversed(op.traceback or ())]
        shapes = [tuple(tensor.shape) for tensor in op.inputs if tensor.shape.is_fully_defined()]
        return OwnOp(op.type, written(shapes), self._layers.scopes(op.name.rpartition("/")[0]), line_of(frames))
