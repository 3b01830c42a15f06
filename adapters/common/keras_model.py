"""A user's own Keras model, with the same weights and batch on each of its backends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from harness.workload.references import write_arrays

from .own_model import Built, OwnModel, OwnModelError


def build(model: OwnModel) -> Built:
    """Build the model; its weights and batch are the first framework's, which writes them. Raises OwnModelError."""
    built = model.build()  # sets the backend, so it comes before the import
    import keras

    if not isinstance(built.parameters, keras.Model):
        raise OwnModelError(
            f"{model}: its parameters are a {type(built.parameters).__name__}; in Keras they must be a keras.Model"
        )
    floatx = keras.config.floatx()
    leaves = _shared(model, "batch", [np.asarray(leaf) for leaf in keras.tree.flatten(built.batch)])
    tensors = [keras.ops.convert_to_tensor(leaf, floatx if leaf.dtype.kind == "f" else None) for leaf in leaves]
    batch = keras.tree.pack_sequence_as(built.batch, tensors)
    if not built.parameters.built:
        with model.running(f"{model}: its loss"):
            built.loss(built.parameters, batch)  # makes the weights
    weights = _shared(model, "weights", [np.asarray(weight) for weight in built.parameters.get_weights()])
    built.parameters.set_weights(weights)
    _freeze(model, built.parameters)
    narrow = [variable.path for variable in built.parameters.trainable_variables if variable.dtype != floatx]
    if floatx == "float64" and narrow:
        raise OwnModelError(
            f"{model}: in float64, in which it is checked, {narrow[0]} is still narrower: take its "
            "dtype from keras.config.floatx()"
        )
    return built._replace(batch=batch)


def _freeze(model: OwnModel, parameters: Any) -> None:
    """Freeze what the config says, by the variables' paths, as setting `layer.trainable` does. Raises OwnModelError."""
    variables = {variable.path: variable for variable in parameters.trainable_variables}
    for path in model.frozen(variables):
        variables[path].trainable = False


def trained(parameters: Any) -> dict[str, Any]:
    """The variables that have a gradient, by names that are the same on each backend."""
    return {f"{i}.{v.path.replace('/', '.')}": v for i, v in enumerate(parameters.trainable_variables)}


@contextlib.contextmanager
def float64() -> Iterator[None]:
    """Build in float64 what is built meanwhile."""
    import keras

    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        yield
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")


def _shared(model: OwnModel, name: str, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """The arrays that the first framework wrote; these, once written, if there are none."""
    folder = model.folder / "keras" / name
    if not folder.exists():
        write_arrays(folder, {str(i): array for i, array in enumerate(arrays)})
        return arrays
    shared = [np.load(folder / f"{i}.npy", allow_pickle=False) for i in range(len(arrays))]
    for ours, theirs in zip(arrays, shared, strict=True):
        if ours.shape != theirs.shape:
            raise OwnModelError(
                f"{model}: on {model.framework} an array of its {name} has shape {list(ours.shape)}, and "
                f"{list(theirs.shape)} on the framework that was asked first",
                wrong=True,
            )
    return shared
