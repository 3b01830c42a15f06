"""The phase `update`: one step of TensorFlow's own optimizer kernels, on variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from harness.workload.optimizer import BETA1, BETA2, EPSILON, RATES

from ..base import Executed, Program
from ..common import hlo
from .counting import count_eager
from .executable import Executable

Tensors = Mapping[str, tf.Tensor]


class Update:
    """Steps copies of the parameters, so that the other phases keep theirs."""

    def __init__(self, optimizer: str, program: Program, execution: str) -> None:
        self._program = program
        self._copies = {name: tf.Variable(tensor) for name, tensor in program.parameters().items()}
        variables = list(self._copies.values())
        body = _sgd(variables) if optimizer == "sgd" else _adam(variables)
        self._jit = execution == "xla"
        specs = [tf.TensorSpec(variable.shape, variable.dtype) for variable in variables]
        self._step: Any = body if execution == "eager" else Executable(body, specs, self._jit)

    def __call__(self, pair: tuple[tf.Tensor, Tensors]) -> Mapping[str, tf.Variable]:
        self._step(*(pair[1][name] for name in self._copies))
        return self._copies

    def executed(self) -> Executed:
        pair = self._program.gradient()
        if self._jit:
            return hlo.executed(self._step.hlo(*(pair[1][name] for name in self._copies)))
        return count_eager(lambda: self(pair))


def _sgd(variables: Sequence[tf.Variable]) -> Callable[..., None]:
    def step(*gradients: tf.Tensor) -> None:
        for variable, gradient in zip(variables, gradients, strict=True):
            rate = variable.dtype.as_numpy_dtype(RATES["sgd"])  # a Python number would be float32 in a traced step
            tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=rate, delta=gradient)

    return step


def _adam(variables: Sequence[tf.Variable]) -> Callable[..., None]:
    means, squares = ([tf.Variable(tf.zeros_like(v)) for v in variables] for _ in range(2))
    powers = [tf.Variable(beta, dtype=variables[0].dtype) for beta in (BETA1, BETA2)]

    def step(*gradients: tf.Tensor) -> None:
        first, second = (power.read_value() for power in powers)
        for variable, mean, square, gradient in zip(variables, means, squares, gradients, strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=mean.handle,
                v=square.handle,
                beta1_power=first,
                beta2_power=second,
                lr=RATES["adam"],
                beta1=BETA1,
                beta2=BETA2,
                epsilon=EPSILON,
                grad=gradient,
            )
        for power, beta in zip(powers, (BETA1, BETA2), strict=True):
            power.assign(power.read_value() * beta)

    return step
