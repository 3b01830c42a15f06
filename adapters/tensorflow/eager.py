"""Op by op, with a gradient tape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from adapters.base import Executed
from harness.workload.trace import Graph

from .counting import count_eager, observed_ops
from .notes import annotated
from .survivors import Survivors


class EagerProgram:
    """Parameters are plain tensors, watched: to read a variable would be one more op for each use."""

    def __init__(self, graph: Graph, loss: Callable[..., Any], values: Mapping[str, tf.Tensor]) -> None:
        self._graph = graph
        self._loss = loss
        self._params = {name: values[name] for name in graph.params}
        self._inputs = {name: values[name] for name in graph.inputs}
        self._names = tuple(graph.sources)
        self._sources = [values[name] for name in self._names]

    def inference(self) -> tf.Tensor:
        return self._loss(self._params, self._inputs)

    def forward(self) -> tuple[tf.Tensor, tf.GradientTape]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self._sources)
            loss = self._loss(self._params, self._inputs)
        return loss, tape

    def backward(self, kept: tuple[tf.Tensor, tf.GradientTape]) -> dict[str, tf.Tensor]:
        loss, tape = kept
        return dict(zip(self._names, tape.gradient(loss, self._sources), strict=True))

    def gradient(self) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        kept = self.forward()
        return kept[0], self.backward(kept)

    def export(self, gradients: Mapping[str, tf.Tensor]) -> dict[str, np.ndarray]:
        return {name: gradient.numpy().astype(np.float32) for name, gradient in gradients.items()}

    def residual_bytes(self, kept: Any) -> int:
        """A tape does not show what it holds, so a second forward is watched for the results that outlive it."""
        survivors = Survivors([*self._params.values(), *self._inputs.values()])
        with observed_ops(survivors.observe):
            loss, held = self.forward()
        size = survivors.bytes(apart_from=loss)
        del held
        return size

    def executed(self) -> dict[str, Executed]:
        kept = self.forward()
        counted = {
            "inference": count_eager(self.inference),
            "forward": count_eager(self.forward),
            "backward": count_eager(lambda: self.backward(kept)),
            "gradient": count_eager(self.gradient),
        }
        return annotated(counted, self._graph, "eager")
