"""A user's own Keras model, with the same weights and batch on each of its backends and in each precision."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from harness.workload.reference_files import write_arrays

from ..base import Unsupported
from .own_model import Built, OwnModel, OwnModelError

# What Keras calls a precision; by "mixed", layers compute in bfloat16 and keep their variables in float32.
_POLICIES = {
    "bf16": "bfloat16",
    "bf16_mixed": "mixed_bfloat16",
    "fp64": "float64",
}


def build(model: OwnModel, precision: str) -> Built:
    """Build the model in a precision, which stays in force in this process, as Keras's settings do.

    Its weights and batch are the first framework's, which writes them. Raises OwnModelError.
    """
    os.environ["KERAS_BACKEND"] = model.framework  # before anything imports Keras
    import keras

    def prepare() -> None:
        keras.utils.clear_session()  # names of layers begin anew, and are the same in every build
        keras.utils.set_random_seed(model.workload.seed % 2**32)
        keras.config.set_floatx("float64" if precision == "fp64" else "float32")
        if precision not in ("fp32", "tf32"):  # in which a policy of the user's own stays
            keras.config.set_dtype_policy(_POLICIES[precision])

    if precision == "fp64" and not _make_keras_keep_float64():
        raise OwnModelError(f"{model}: this version of Keras has no float64 on {model.framework}, so nothing checks it")
    built = model.build(prepare)

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


def refuse_float64(model: OwnModel) -> None:
    """Raise Unsupported where Keras would be measured in float64 and multiplies in float32."""
    if model.uses_keras and model.workload.precision == "fp64" and model.framework != "tensorflow":
        raise Unsupported(
            f"{model.framework}: Keras multiplies float64 in float32 there, whatever its floatx is; choose "
            "variants=tensorflow or precision=fp32"
        )


def _make_keras_keep_float64() -> bool:
    """Make Keras keep float64 wherever its operations are given it, as a reference must. Returns whether it does now.

    By default Keras does so on TensorFlow only; on torch and jax it computes float64 in float32, whatever its floatx.
    """
    import keras
    from keras.src.backend.common import dtypes

    dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"
    return bool(keras.backend.result_type("float64", "float64") == "float64")


def _freeze(model: OwnModel, parameters: Any) -> None:
    """Freeze what the config says, by the variables' paths, as setting `layer.trainable` does. Raises OwnModelError."""
    variables = {variable.path: variable for variable in parameters.trainable_variables}
    for path in model.frozen(variables):
        variables[path].trainable = False


def trained(parameters: Any) -> dict[str, Any]:
    """The variables that have a gradient, by names that are the same on each backend."""
    return {f"{i}.{v.path.replace('/', '.')}": v for i, v in enumerate(parameters.trainable_variables)}


def _shared(model: OwnModel, name: str, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """The arrays that the first framework wrote; if there are none yet, write these and return them."""
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
