"""A workload as traced functions: graph, and the same compiled by XLA."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import tensorflow as tf

from ..base import Executed
from ..common import hlo
from ..common.program import Core, CoreRequest, Plain
from ..profiled import Times
from .autodiff import DifferentiationRule, forward_mode
from .counting import count_graph
from .executable import Executable
from .mixed import wide
from .profiled import check_shown, profiled
from .split import Split, split


class Traced(Plain):
    """A program of traced functions.

    Parameters and inputs are variables that every phase captures: quicker to pass than arguments, never folded.
    """

    def _trace(
        self,
        variables: Mapping[str, tf.Variable],
        rule: DifferentiationRule,
        names: Iterable[str],
        outputs: int,
        jit: bool,
    ) -> None:
        """Make the phases of a rule; `names` are those with a gradient, `outputs` how many stand for a loss, or 0."""
        self._variables = variables
        self._rule = rule
        self._jit = jit
        self._names = tuple(names)
        self._outputs = outputs

    def inference(self) -> Any:
        return self._cut(self._inference())[0]

    def forward(self) -> tuple[Any, list[tf.Tensor]]:
        returned = self._forward()
        return self._cut(returned)[0], returned[self._split.first :]

    def backward(self, kept: tuple[Any, list[tf.Tensor]]) -> dict[str, tf.Tensor]:
        return dict(zip(self._names, self._backward(*kept[1]), strict=True))

    def gradient(self) -> tuple[Any, dict[str, tf.Tensor]]:
        result, gradients = self._cut(self._gradient())
        return result, dict(zip(self._names, gradients, strict=True))

    def _cut(self, returned: list[tf.Tensor]) -> tuple[Any, list[tf.Tensor]]:
        """The loss, or the tuple of outputs, with which a flat list begins, and the rest of it."""
        if self._outputs:
            return tuple(returned[: self._outputs]), returned[self._outputs :]
        return returned[0], returned[1:]

    def export(self, gradients: Mapping[str, tf.Tensor]) -> dict[str, np.ndarray]:
        return {name: wide(gradient).numpy() for name, gradient in gradients.items()}

    def residual_bytes(self, kept: tuple[Any, list[tf.Tensor]]) -> int:
        residuals = kept[1] if self._split.first else kept[1][len(kept[0]) :]
        return sum(tensor.dtype.size * tensor.shape.num_elements() for tensor in residuals)

    def executed(self) -> dict[str, Executed]:
        counted = {}
        for phase in self.phases:
            given = self.forward()[1] if phase == "backward" else ()
            compiled: Executable = getattr(self, f"_{phase}")
            if self._jit:
                counted[phase] = hlo.executed(compiled.hlo(*given))
            else:
                counted[phase] = count_graph(compiled.concrete.graph, partial(compiled, *given))
        return counted

    # Each is traced in its phase's first call, not when the workload is loaded.

    @cached_property
    def _inference(self) -> Executable:
        return Executable(lambda: _flat(self._rule.infer(self._read())), (), self._jit)

    @cached_property
    def _gradient(self) -> Executable:
        def body() -> list[tf.Tensor]:
            result, kept = self._rule.run(self._read())
            return [*_flat(result), *self._rule.pull(kept)]

        return Executable(body, (), self._jit)

    @cached_property
    def _split(self) -> Split:
        return split(self._rule.run, self._rule.pull, self._variables)

    @cached_property
    def _forward(self) -> Executable:
        return Executable(lambda: self._split.forward(self._read()), (), self._jit)

    @cached_property
    def _backward(self) -> Executable:
        def body(*residuals: tf.Tensor) -> list[tf.Tensor]:
            return self._split.backward(self._read(), residuals)

        return Executable(body, self._split.residuals, self._jit)

    def _read(self) -> dict[str, tf.Tensor]:
        return _read(self._variables)


class Compiled(Traced, Core):
    """A workload of the catalogue as traced functions."""

    def __init__(self, request: CoreRequest, rule: DifferentiationRule, mixed: bool, jit: bool) -> None:
        variables = variables_of(request.arrays)
        super().__init__(replace(request, arrays=variables, directions=variables_of(request.directions)))
        self._trace(variables, rule, request.graph.sources, len(request.graph.cotangents), jit)
        self._mixed = mixed

    def parameters(self) -> dict[str, tf.Tensor]:
        return _read(super().parameters())

    def tangent(self) -> tuple[Any, Any]:
        result, derivative = self._cut(self._tangent())
        return result, self._cut(derivative)[0]

    def profiled(self, passes: int) -> list[Times]:
        check_shown(self._rule, self._arrays)
        return profiled(self._graph, self._forward, self._backward, self.forward()[1], passes)

    @cached_property
    def _tangent(self) -> Executable:
        def body() -> list[tf.Tensor]:
            result, derivative = forward_mode(self._graph, self._mixed)(self._read(), _read(self._directions))
            return [*_flat(result), *_flat(derivative)]

        return Executable(body, (), self._jit)


def _flat(result: Any) -> list[tf.Tensor]:
    """A loss, or all outputs, as a list."""
    return list(result) if isinstance(result, tuple) else [result]


def variables_of(values: Mapping[str, tf.Tensor]) -> dict[str, tf.Variable]:
    return {name: tf.Variable(value, trainable=False) for name, value in values.items()}


def _read(variables: Mapping[str, tf.Variable]) -> dict[str, tf.Tensor]:
    return {name: variable.read_value() for name, variable in variables.items()}
