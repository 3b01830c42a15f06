"""A user's own jax or Keras model under `jax.jit`: each phase is one program of its arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..base import Unsupported
from ..common import keras_model
from ..common.hlo_owners import events_of
from ..common.own_model import OwnModel, OwnModelError
from ..common.own_ops import Ran, op_times
from ..common.scopes import Event, number_in
from ..profiled import OpTimes
from .compiled import Jitted
from .executable import Executable
from .mixed import narrowed, wide
from .own_ops import OwnOps
from .profiled import profiled_passes
from .split import Arrays, DifferentiationRule, Split


@dataclass
class BuiltModel:
    """A built model: the arrays that have a gradient, all others by name, and its loss as a function of both."""

    sources: Arrays
    rest: Arrays
    loss: Callable[[Arrays, Arrays], Array]
    notes: dict[str, str]

    @property
    def drawn(self) -> str:
        """A digest of all arrays."""
        digest = hashlib.sha256()
        for array in jax.tree.leaves((self.sources, self.rest)):
            digest.update(np.asarray(array).tobytes())
        return digest.hexdigest()[:16]

    def only(self, names: list[str]) -> BuiltModel:
        """Return the model with only the named arrays as sources; the others get no gradient."""
        others = {name: array for name, array in self.sources.items() if name not in names}
        return replace(self, sources={name: self.sources[name] for name in names}, rest=self.rest | others)


def build_model(model: OwnModel, device: jax.Device, keras_precision: str = "fp32") -> BuiltModel:
    """Build the model on the device: Keras's in `keras_precision`, any other as its own code has it.

    Raises OwnModelError.
    """
    with jax.default_device(device):
        built_model = _of_keras(model, keras_precision) if model.uses_keras else _of_pytree(model)
    if not model.uses_keras:
        frozen = model.frozen(built_model.sources)
        built_model = built_model.only([name for name in built_model.sources if name not in frozen])
    if not built_model.sources:
        raise OwnModelError(
            f"{model}: no parameter is an array of floating-point numbers, so there is no backward pass", wrong=True
        )
    placed = jax.device_put((built_model.sources, built_model.rest), device)
    return replace(built_model, sources=placed[0], rest=placed[1])


def rebuild_model(model: OwnModel, device: jax.Device) -> BuiltModel:
    """Build the model as it was built for its truth, in the precision of its workload."""
    with jax.enable_x64(False):  # in which other numbers are drawn
        built_model = build_model(model, device)
    model.check_drawn(built_model.drawn, model.truth.drawn)
    built_model = in_precision(model, built_model, device, model.workload.precision)
    return built_model.only(list(model.truth.reference.gradients))


def in_precision(model: OwnModel, built_model: BuiltModel, device: jax.Device, precision: str) -> BuiltModel:
    """A built model as it is in a precision; Keras's is built again. For fp64, jax's x64 must be in force."""
    if precision in ("fp32", "tf32"):
        return built_model
    if model.uses_keras:
        return build_model(model, device, precision)
    if precision == "bf16_mixed":
        loss = built_model.loss
        return replace(built_model, loss=lambda sources, rest: wide(loss(narrowed(sources), narrowed(rest))))
    dtype = {"bf16": jnp.bfloat16, "fp64": jnp.float64}[precision]
    return replace(built_model, sources=_cast(built_model.sources, dtype), rest=_cast(built_model.rest, dtype))


def _cast(arrays: Arrays, dtype: Any) -> Arrays:
    """The arrays with one type in place of all floating-point ones."""
    return {n: a.astype(dtype) if jnp.issubdtype(a.dtype, jnp.floating) else a for n, a in arrays.items()}


class Own(Jitted):
    """Sources and all other arrays are arguments, which no compiler folds."""

    def __init__(self, built_model: BuiltModel, executable: Callable[..., Executable]) -> None:
        self._built_model, self._executable = built_model, executable
        self._compile(rule(built_model), built_model.sources, built_model.rest, executable)

    def parameters(self) -> Arrays:
        return self._arguments[0]

    def profiled_ops(self, passes: int) -> list[list[OpTimes]]:
        if jax.tree.leaves(self._arguments)[0].device.platform != "cpu":
            raise Unsupported("jax: its profiler's record of a GPU is not read")
        ops = OwnOps(self._built_model.loss, *self._arguments)
        numbered = rule(replace(self._built_model, loss=ops.loss))
        return [
            op_times(ops.calls, {name: _numbered(events_of(*ran, number_in)) for name, ran in run.items()})
            for run in profiled_passes(numbered, self._arguments, self._executable, passes)
        ]


def _numbered(events: Iterable[Event]) -> list[Ran]:
    return [(number_in(label), seconds) for label, _, seconds in events]


def rule(built_model: BuiltModel) -> DifferentiationRule:
    """Differentiate the loss by `jax.vjp`, split into its two passes."""
    dtype = jax.eval_shape(built_model.loss, built_model.sources, built_model.rest).dtype

    def run(sources: Arrays, rest: Arrays) -> tuple[Any, Any]:
        return jax.vjp(lambda wanted: built_model.loss(wanted, rest), sources)

    def pull(vjp: Any) -> Arrays:
        (gradients,) = vjp(jnp.ones((), dtype))
        return gradients

    return DifferentiationRule(built_model.loss, Split(run, pull), jax.value_and_grad(built_model.loss))


def _of_pytree(model: OwnModel) -> BuiltModel:
    """Leaves that are no arrays (names of activations, functions) stay as they are."""
    built = model.build()
    named, structure = jax.tree_util.tree_flatten_with_path(built.parameters)
    leaves, batch_structure = jax.tree.flatten(built.batch)
    names = [jax.tree_util.keystr(path, simple=True, separator=".") or "parameters" for path, _ in named]
    parameters = dict(zip(names, (leaf for _, leaf in named), strict=True))
    sources = {name: jnp.asarray(leaf) for name, leaf in parameters.items() if _is_trained(leaf)}
    rest = {name: jnp.asarray(leaf) for name, leaf in parameters.items() if name not in sources and _is_array(leaf)}
    rest |= {f"batch.{i}": jnp.asarray(leaf) for i, leaf in enumerate(leaves) if _is_array(leaf)}

    def loss(sources: Arrays, rest: Arrays) -> Array:
        arrays = {**rest, **sources}
        given = [arrays.get(name, leaf) for name, leaf in parameters.items()]
        batch = [arrays.get(f"batch.{i}", leaf) for i, leaf in enumerate(leaves)]
        return built.loss(jax.tree.unflatten(structure, given), jax.tree.unflatten(batch_structure, batch))

    return BuiltModel(sources, rest, loss, built.notes)


def _of_keras(model: OwnModel, precision: str) -> BuiltModel:
    """Its variables are mapped to arrays while the loss is traced; what it assigns to others of them is dropped."""
    built = keras_model.build(model, precision)
    import keras

    trained = keras_model.trained(built.parameters)
    others = [v for v in built.parameters.variables if all(v is not one for one in trained.values())]
    leaves = keras.tree.flatten(built.batch)
    rest = {f"variable.{i}": variable.value for i, variable in enumerate(others)}
    rest |= {f"batch.{i}": leaf for i, leaf in enumerate(leaves)}

    def loss(sources: Arrays, rest: Arrays) -> Array:
        arrays = {**rest, **sources}
        mapping = [(variable, arrays[name]) for name, variable in trained.items()]
        mapping += [(variable, arrays[f"variable.{i}"]) for i, variable in enumerate(others)]
        batch = keras.tree.pack_sequence_as(built.batch, [arrays[f"batch.{i}"] for i in range(len(leaves))])
        with keras.StatelessScope(state_mapping=mapping):
            return built.loss(built.parameters, batch)

    return BuiltModel({name: variable.value for name, variable in trained.items()}, rest, loss, built.notes)


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, Array | np.ndarray | np.generic)


def _is_trained(leaf: Any) -> bool:
    return _is_array(leaf) and jnp.issubdtype(leaf.dtype, jnp.floating)
