"""Several replicas of a workload in one traced function for each phase, each on a device of its own.

As under `tf.distribute.MirroredStrategy`: every replica has its own copies of the parameters, and its reductions are
that strategy's own, by NCCL between GPUs. On a CPU a logical device stands for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.distribute.values import PerReplica

from harness.workload.trace import Graph

from ..base import AFTER, Executed
from ..common.program import Plain
from ..replicated import REPLICATED_PHASES
from .autodiff import DifferentiationRule
from .compiled import variables_of
from .counting import count_graph
from .executable import Executable
from .mixed import wide
from .split import Split, split

Each = list[list[tf.Tensor]]  # a list of tensors for each replica


class Replicated(Plain):
    """A program of several replicas: in place of a tensor, a phase returns the list of what every replica has.

    `parts` are the arrays of each replica; `devices` are the names of theirs.
    """

    processes: tuple[int, ...] = ()

    def __init__(
        self,
        graph: Graph,
        parts: Sequence[Mapping[str, tf.Tensor]],
        rule: DifferentiationRule,
        devices: Sequence[str],
        gpu: bool,
    ) -> None:
        self.phases, self.replicas = REPLICATED_PHASES, len(devices)
        self._rule, self._devices, self._names = rule, devices, tuple(graph.sources)
        self._reduction = tf.distribute.NcclAllReduce() if gpu else tf.distribute.ReductionToOneDevice()
        self._variables = []
        for device, arrays in zip(devices, parts, strict=True):
            with tf.device(device):
                self._variables.append(variables_of(arrays))

    def inference(self) -> Any:
        return self._inference()

    def forward(self) -> tuple[Any, Any]:
        each = self._cut(self._forward())
        return [own[0] for own in each], [tensor for own in each for tensor in own[self._split.first :]]

    def backward(self, kept: tuple[Any, Any]) -> dict[str, list[tf.Tensor]]:
        return self._named(self._backward(*kept[1]))

    def gradient(self) -> tuple[Any, dict[str, list[tf.Tensor]]]:
        returned = self._gradient()
        return returned[: self.replicas], self._named(returned[self.replicas :])

    def forward_local(self) -> tuple[Any, Any]:
        return self.forward()

    def backward_local(self, kept: tuple[Any, Any]) -> dict[str, list[tf.Tensor]]:
        return self._named(self._backward_local(*kept[1]))

    def parameters(self) -> Mapping[str, Any]:
        return {name: [variables[name].read_value() for variables in self._variables] for name in self._names}

    def losses(self, loss: Any) -> list[float]:
        return [float(own) for own in loss]

    def export_each(self, gradients: Mapping[str, Any]) -> list[dict[str, np.ndarray]]:
        return [
            {name: wide(each[number]).numpy() for name, each in gradients.items()} for number in range(self.replicas)
        ]

    def export(self, gradients: Mapping[str, Any]) -> dict[str, np.ndarray]:
        return self.export_each(gradients)[0]

    def residual_bytes(self, kept: tuple[Any, Any]) -> int:
        whole: int = sum(tensor.dtype.size * tensor.shape.num_elements() for tensor in kept[1])
        return whole // self.replicas

    def reduction(self) -> dict[str, float]:
        return {}

    def executed(self) -> dict[str, Executed]:
        """The multiplies of one replica; all execute the same. Raises ValueError if they do not."""
        counted = {}
        for phase in self.phases:
            given = self.forward()[1] if phase in AFTER else ()
            compiled: Executable = getattr(self, f"_{phase}")
            whole = count_graph(compiled.concrete.graph, partial(compiled, *given))
            if whole.matmuls % self.replicas or whole.flops % self.replicas:
                raise ValueError(f"the replicas execute {whole.matmuls} multiplies in {phase}, not all the same")
            counted[phase] = Executed(whole.matmuls // self.replicas, whole.flops // self.replicas)
        return counted

    # Each is traced in its phase's first call.

    @cached_property
    def _inference(self) -> Executable:
        return self._executable(lambda: [self._rule.infer(values) for values in self._everywhere()])

    @cached_property
    def _split(self) -> Split:
        return split(self._rule.run, self._rule.pull, self._variables[0])

    @cached_property
    def _forward(self) -> Executable:
        return self._executable(lambda: _flat([self._split.forward(values) for values in self._everywhere()]))

    @property
    def _forward_local(self) -> Executable:
        return self._forward

    @cached_property
    def _backward(self) -> Executable:
        return self._executable(lambda *kept: _flat(self._mean(self._pulled(kept))), self._split.residuals)

    @cached_property
    def _backward_local(self) -> Executable:
        return self._executable(lambda *kept: _flat(self._pulled(kept)), self._split.residuals)

    @cached_property
    def _gradient(self) -> Executable:
        def body() -> list[tf.Tensor]:
            losses, gradients = [], []
            for values in self._everywhere():
                loss, kept = self._rule.run(values)
                losses.append(loss)
                gradients.append(self._rule.pull(kept))
            return [*losses, *_flat(self._mean(gradients))]

        return self._executable(body)

    def _executable(self, body: Callable[..., Any], residuals: Sequence[tf.TensorSpec] = ()) -> Executable:
        return Executable(body, tuple(residuals) * self.replicas, jit=False)

    def _everywhere(self) -> Iterator[dict[str, tf.Tensor]]:
        """The values of each replica's variables, while its device is the one that ops are placed on."""
        for device, variables in zip(self._devices, self._variables, strict=True):
            with tf.device(device):
                yield {name: variable.read_value() for name, variable in variables.items()}

    def _pulled(self, kept: Sequence[tf.Tensor]) -> Each:
        """Each replica's own gradients, of what its forward pass kept."""
        own = iter(self._cut(kept))
        return [self._split.backward(values, next(own)) for values in self._everywhere()]

    def _mean(self, each: Each) -> Each:
        """The reduction, all gradients in one call, as an optimizer under the strategy asks for it."""
        values = [PerReplica(gradients) for gradients in zip(*each, strict=True)]
        pairs = [(value, value) for value in values]
        reduced = self._reduction.batch_reduce(tf.distribute.ReduceOp.MEAN, pairs)
        return [list(own) for own in zip(*(value.values for value in reduced), strict=True)]

    def _cut(self, flat: Sequence[tf.Tensor]) -> Each:
        """A flat list, cut into an equal part for each replica."""
        length = len(flat) // self.replicas
        return [list(flat[number * length :][:length]) for number in range(self.replicas)]

    def _named(self, flat: Sequence[tf.Tensor]) -> dict[str, list[tf.Tensor]]:
        return {name: list(each) for name, each in zip(self._names, zip(*self._cut(flat), strict=True), strict=True)}


def _flat(each: Each) -> list[tf.Tensor]:
    return [tensor for own in each for tensor in own]
