"""Backprop by the catalogue's rules, in TensorFlow's ops, as a rule like that of `autodiff.py`."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from harness.workload.trace import Graph

from ..common.manual import Backprop, Mixed
from . import primitives
from .autodiff import Values
from .mixed import narrow, wide


class ByHand:
    """Backprop by the catalogue's rules, as the choice `autodiff` asks for it."""

    def __init__(self, graph: Graph, autodiff: str, mixed: bool) -> None:
        self._sources = tuple(graph.sources)
        self._start = graph.start
        backprop = Backprop(primitives, graph, autodiff)
        self._backprop = Mixed(backprop, narrow, wide) if mixed else backprop
        self._mixed = mixed

    def infer(self, values: Values) -> Any:
        return self._backprop.loss(values)

    def run(self, values: Values) -> tuple[Any, Any]:
        result, steps = self._backprop.forward(values)
        return result, (steps, result, values)

    def pull(self, kept: Any) -> list[tf.Tensor]:
        steps, result, values = kept
        one = None if isinstance(result, tuple) else tf.ones((), tf.bfloat16 if self._mixed else result.dtype)
        gradients = self._backprop.backward(steps, self._start(values, one))
        return [gradients[name] for name in self._sources]
