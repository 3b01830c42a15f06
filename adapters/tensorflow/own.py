"""A user's own Keras model on TensorFlow: op by op, as traced functions, and the same compiled by XLA."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import tensorflow as tf

from ..common import keras_model
from ..common.own_model import Built, OwnModel, OwnModelError
from ..profiled import OpTimes
from .compiled import Traced, variables_of
from .eager import OpByOp
from .own_ops import Layers, TracedOps
from .own_profiled import traced_times
from .own_profiled_eager import eager_times
from .profiled import check_cpu

Values = Mapping[str, tf.Tensor]


@dataclass
class BuiltModel:
    """A built model, and its variables that have a gradient, by name."""

    built: Built
    wanted: dict[str, Any]

    @property
    def batch(self) -> list[tf.Tensor]:
        """The batch's tensors, in order."""
        return tf.nest.flatten(self.built.batch)

    @property
    def others(self) -> list[Any]:
        """The variables that have no gradient: statistics, seeds, what is frozen or unused."""
        return [v for v in self.built.parameters.variables if all(v is not one for one in self.wanted.values())]

    @property
    def drawn(self) -> str:
        """A digest of the variables that have a gradient, and of the batch."""
        digest = hashlib.sha256()
        for tensor in (*(variable.value for variable in self.wanted.values()), *self.batch):
            digest.update(tensor.numpy().tobytes())
        return digest.hexdigest()[:16]

    def loss(self) -> tf.Tensor:
        """Compute the loss of the batch with the model's own variables."""
        return self.built.loss(self.built.parameters, self.built.batch)


def build_model(model: OwnModel, precision: str = "fp32") -> BuiltModel:
    """Build the model, which must be Keras's, in a precision. Raises OwnModelError."""
    built = keras_model.build(model, precision)
    wanted = keras_model.trained(built.parameters)
    if not wanted:
        raise OwnModelError(f"{model}: no variable is trainable, so there is no backward pass", wrong=True)
    return BuiltModel(built, wanted)


def rebuild_model(model: OwnModel) -> BuiltModel:
    """Build the model as it was built for its truth, with those variables wanted that have a gradient there."""
    built_model = build_model(model)
    model.check_drawn(built_model.drawn, model.truth.drawn)
    built_model = in_precision(model, built_model, model.workload.precision)
    return replace(built_model, wanted={name: built_model.wanted[name] for name in model.truth.reference.gradients})


def in_precision(model: OwnModel, built_model: BuiltModel, precision: str) -> BuiltModel:
    """Return the model in a precision, for which it is built again unless that is fp32 or tf32."""
    return built_model if precision in ("fp32", "tf32") else build_model(model, precision)


class OwnEager(OpByOp):
    """A user's own model op by op: a tape around the loss, as Keras's own guide writes a training loop."""

    def __init__(self, built_model: BuiltModel) -> None:
        self._built_model = built_model
        self._owned = built_model.batch
        self._names = tuple(built_model.wanted)
        self._sources = [variable.value for variable in built_model.wanted.values()]

    def inference(self) -> tf.Tensor:
        return self._built_model.loss()

    def forward(self) -> tuple[tf.Tensor, Any]:
        with tf.GradientTape() as tape:
            loss = self._built_model.loss()
        return loss, (tape, loss)

    def backward(self, kept: tuple[tf.Tensor, Any]) -> dict[str, tf.Tensor]:
        tape, loss = kept[1]
        return dict(zip(self._names, tape.gradient(loss, self._sources), strict=True))

    def parameters(self) -> dict[str, tf.Tensor]:
        return {name: tf.convert_to_tensor(variable) for name, variable in zip(self._names, self._sources, strict=True)}

    def profiled_ops(self, passes: int) -> list[list[OpTimes]]:
        check_cpu(self._owned)
        return eager_times(Layers(self._built_model.built.parameters), self.forward, self.backward, passes)


class OwnTraced(Traced):
    """A user's own model as traced functions: parameters and batch are variables that each phase captures.

    What the model assigns to its other variables, such as a batch norm's statistics, is dropped.
    """

    def __init__(self, built_model: BuiltModel, jit: bool) -> None:
        self._built_model = built_model
        values = {name: variable.value for name, variable in built_model.wanted.items()}
        values |= {f"variable.{i}": variable.value for i, variable in enumerate(built_model.others)}
        values |= {f"batch.{i}": tensor for i, tensor in enumerate(built_model.batch)}
        self._trace(variables_of(values), _Rule(built_model), list(built_model.wanted), 0, jit)

    def parameters(self) -> dict[str, tf.Tensor]:
        return {name: self._variables[name].read_value() for name in self._names}

    def profiled_ops(self, passes: int) -> list[list[OpTimes]]:
        check_cpu(self._variables.values())
        numbered = OwnTraced(self._built_model, self._jit)
        numbered._rule = ops = TracedOps(self._rule, Layers(self._built_model.built.parameters))
        kept = numbered.forward()[1]
        return traced_times(ops, numbered._forward, numbered._backward, kept, passes)


class _Rule:
    """Differentiates a user's own model by a gradient tape, with the model's variables mapped to tensors."""

    def __init__(self, built_model: BuiltModel) -> None:
        self._built_model = built_model
        self._others = built_model.others

    def infer(self, values: Values) -> tf.Tensor:
        import keras

        mapping = [(variable, values[name]) for name, variable in self._built_model.wanted.items()]
        mapping += [(variable, values[f"variable.{i}"]) for i, variable in enumerate(self._others)]
        built = self._built_model.built
        leaves = [values[f"batch.{i}"] for i in range(len(self._built_model.batch))]
        with keras.StatelessScope(state_mapping=mapping):
            return built.loss(built.parameters, tf.nest.pack_sequence_as(built.batch, leaves))

    def run(self, values: Values) -> tuple[tf.Tensor, Any]:
        sources = [values[name] for name in self._built_model.wanted]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(sources)
            loss = self.infer(values)
        return loss, (tape, loss, sources)

    def pull(self, kept: Any) -> list[tf.Tensor]:
        tape, loss, sources = kept
        return [tf.convert_to_tensor(gradient) for gradient in tape.gradient(loss, sources)]
