"""Op by op."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from adapters.base import AFTER, PHASES, Choices, Executed
from harness.workload.trace import Graph

from .counting import count_eager, observed_ops
from .survivors import Survivors


class EagerProgram:
    """Parameters are plain tensors, watched: to read a variable would be one more op for each use."""

    def __init__(
        self,
        graph: Graph,
        rule: Any,
        values: Mapping[str, tf.Tensor],
        choices: Choices,
        directions: Mapping[str, tf.Tensor],
    ) -> None:
        self.phases = (*PHASES, "tangent") if directions else PHASES
        self._graph = graph
        self._rule = rule
        self._values = values
        self._directions = directions
        self._names = tuple(graph.sources)

    def parameters(self) -> dict[str, tf.Tensor]:
        """Those that are trained."""
        return {name: self._values[name] for name in self._names if name in self._graph.params}

    def inference(self) -> tf.Tensor:
        return self._rule.infer(self._values)

    def forward(self) -> tuple[tf.Tensor, Any]:
        return self._rule.run(self._values)

    def backward(self, kept: tuple[tf.Tensor, Any]) -> dict[str, tf.Tensor]:
        return dict(zip(self._names, self._rule.pull(kept[1]), strict=True))

    def gradient(self) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        kept = self.forward()
        return kept[0], self.backward(kept)

    def tangent(self) -> tuple[tf.Tensor, tf.Tensor]:
        return self._rule.tangent(self._values, self._directions)

    def export(self, gradients: Mapping[str, tf.Tensor]) -> dict[str, np.ndarray]:
        return {name: gradient.numpy().astype(np.float32) for name, gradient in gradients.items()}

    def residual_bytes(self, kept: Any) -> int:
        """A tape does not show what it holds, so a second forward is watched for the results that outlive it."""
        survivors = Survivors(list(self._values.values()))
        with observed_ops(survivors.observe):
            loss, held = self.forward()
        size = survivors.bytes(apart_from=loss)
        del held
        return size

    def executed(self) -> dict[str, Executed]:
        counted = {}
        for phase in self.phases:
            given = [getattr(self, AFTER[phase])()] if phase in AFTER else []
            counted[phase] = count_eager(partial(getattr(self, phase), *given))
        return counted
