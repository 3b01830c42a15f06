"""Traced functions: graph, and the same compiled by XLA."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
import tensorflow as tf

from adapters import hlo
from adapters.base import Executed
from harness.workload.trace import Graph

from .counting import count_graph
from .notes import annotated
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

    def __init__(self, graph: Graph, loss: Callable[..., Any], values: Mapping[str, tf.Tensor], jit: bool) -> None:
        self._graph = graph
        self._loss = loss
        self._jit = jit
        self._variables = {name: tf.Variable(value, trainable=False) for name, value in values.items()}
        self._names = tuple(graph.sources)

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

    def export(self, gradients: Mapping[str, tf.Tensor]) -> dict[str, np.ndarray]:
        return {name: gradient.numpy().astype(np.float32) for name, gradient in gradients.items()}

    def residual_bytes(self, kept: tuple[tf.Tensor, list[tf.Tensor]]) -> int:
        return sum(tensor.dtype.size * tensor.shape.num_elements() for tensor in kept[1])

    def executed(self) -> dict[str, Executed]:
        _, residuals = self.forward()
        arguments: dict[str, Sequence[tf.Tensor]] = {
            "inference": (),
            "forward": (),
            "backward": residuals,
            "gradient": (),
        }
        counted = {}
        for phase, given in arguments.items():
            compiled: Compiled = getattr(self, f"_{phase}")
            if self._jit:
                counted[phase] = hlo.executed(compiled.hlo(*given))
            else:
                counted[phase] = count_graph(compiled.concrete.graph, partial(compiled, *given))
        return annotated(counted, self._graph, "xla" if self._jit else "graph")

    # Each is traced in its phase's first call, not when the workload is loaded.

    @cached_property
    def _inference(self) -> Compiled:
        return Compiled(lambda: self._evaluate(self._read()), (), self._jit)

    @cached_property
    def _gradient(self) -> Compiled:
        def body() -> list[tf.Tensor]:
            values = self._read()
            sources = [values[name] for name in self._names]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(sources)
                loss = self._evaluate(values)
            return [loss, *tape.gradient(loss, sources)]

        return Compiled(body, (), self._jit)

    @cached_property
    def _split(self) -> Split:
        return split(self._evaluate, self._variables, self._names)

    @cached_property
    def _forward(self) -> Compiled:
        return Compiled(lambda: self._split.forward(self._read()), (), self._jit)

    @cached_property
    def _backward(self) -> Compiled:
        def body(*residuals: tf.Tensor) -> list[tf.Tensor]:
            return self._split.backward(self._read(), residuals)

        return Compiled(body, self._split.residuals, self._jit)

    def _read(self) -> dict[str, tf.Tensor]:
        return {name: variable.read_value() for name, variable in self._variables.items()}

    def _evaluate(self, values: Mapping[str, tf.Tensor]) -> tf.Tensor:
        return self._loss({name: values[name] for name in self._graph.params}, values)
