"""Traced functions: graph, and the same compiled by XLA."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
import tensorflow as tf

from adapters import hlo
from adapters.base import PHASES, Choices, Executed
from harness.workload.trace import Graph

from .counting import count_graph
from .split import Split, split


class Compiled:
    """A `tf.function` of flat tensors, traced once: another shape is an error, not a new trace.

    Called by its flat form: tf.function's own call checks and packs every argument anew, which for a hundred
    residuals takes longer than many a model.
    """

    def __init__(self, body: Callable[..., Any], arguments: Sequence[tf.TensorSpec], jit: bool) -> None:
        self._function = tf.function(body, autograph=False, jit_compile=jit)
        self.concrete = self._function.get_concrete_function(*arguments)
        self._call = self.concrete.inference_fn.call_flat
        self._captured = tuple(self.concrete.captured_inputs)

    def __call__(self, *arguments: tf.Tensor) -> list[tf.Tensor]:
        return self._call(*arguments, *self._captured)

    def hlo(self, *arguments: tf.Tensor) -> str:
        """The optimised program that XLA makes of it."""
        return self._function.experimental_get_compiler_ir(*arguments)(stage="optimized_hlo")


class CompiledProgram:
    """Parameters and inputs are variables that every phase captures: quicker to pass than arguments, never folded."""

    def __init__(
        self,
        graph: Graph,
        rule: Any,
        values: Mapping[str, tf.Tensor],
        choices: Choices,
        directions: Mapping[str, tf.Tensor],
        jit: bool,
    ) -> None:
        self.phases = (*PHASES, "tangent") if directions else PHASES
        self._graph = graph
        self._rule = rule
        self._jit = jit
        self._variables = _variables(values)
        self._directions = _variables(directions)
        self._names = tuple(graph.sources)

    def parameters(self) -> dict[str, tf.Tensor]:
        """Those that are trained."""
        return {name: self._variables[name].read_value() for name in self._names if name in self._graph.params}

    def inference(self) -> tf.Tensor:
        return self._inference()[0]

    def forward(self) -> tuple[tf.Tensor, list[tf.Tensor]]:
        loss, *residuals = self._forward()
        return loss, residuals

    def backward(self, kept: tuple[tf.Tensor, list[tf.Tensor]]) -> dict[str, tf.Tensor]:
        return dict(zip(self._names, self._backward(*kept[1]), strict=True))

    def gradient(self) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        loss, *gradients = self._gradient()
        return loss, dict(zip(self._names, gradients, strict=True))

    def tangent(self) -> tuple[tf.Tensor, tf.Tensor]:
        loss, derivative = self._tangent()
        return loss, derivative

    def export(self, gradients: Mapping[str, tf.Tensor]) -> dict[str, np.ndarray]:
        return {name: gradient.numpy().astype(np.float32) for name, gradient in gradients.items()}

    def residual_bytes(self, kept: tuple[tf.Tensor, list[tf.Tensor]]) -> int:
        return sum(tensor.dtype.size * tensor.shape.num_elements() for tensor in kept[1])

    def executed(self) -> dict[str, Executed]:
        counted = {}
        for phase in self.phases:
            given = self.forward()[1] if phase == "backward" else ()
            compiled: Compiled = getattr(self, f"_{phase}")
            if self._jit:
                counted[phase] = hlo.executed(compiled.hlo(*given))
            else:
                counted[phase] = count_graph(compiled.concrete.graph, partial(compiled, *given))
        return counted

    # Each is traced in its phase's first call, not when the workload is loaded.

    @cached_property
    def _inference(self) -> Compiled:
        return Compiled(lambda: self._rule.infer(self._read()), (), self._jit)

    @cached_property
    def _gradient(self) -> Compiled:
        def body() -> list[tf.Tensor]:
            loss, kept = self._rule.run(self._read())
            return [loss, *self._rule.pull(kept)]

        return Compiled(body, (), self._jit)

    @cached_property
    def _split(self) -> Split:
        return split(self._rule.run, self._rule.pull, self._variables)

    @cached_property
    def _forward(self) -> Compiled:
        return Compiled(lambda: self._split.forward(self._read()), (), self._jit)

    @cached_property
    def _backward(self) -> Compiled:
        def body(*residuals: tf.Tensor) -> list[tf.Tensor]:
            return self._split.backward(self._read(), residuals)

        return Compiled(body, self._split.residuals, self._jit)

    @cached_property
    def _tangent(self) -> Compiled:
        def body() -> list[tf.Tensor]:
            return list(self._rule.tangent(self._read(), _read(self._directions)))

        return Compiled(body, (), self._jit)

    def _read(self) -> dict[str, tf.Tensor]:
        return _read(self._variables)


def _variables(values: Mapping[str, tf.Tensor]) -> dict[str, tf.Variable]:
    return {name: tf.Variable(value, trainable=False) for name, value in values.items()}


def _read(variables: Mapping[str, tf.Variable]) -> dict[str, tf.Tensor]:
    return {name: variable.read_value() for name, variable in variables.items()}
