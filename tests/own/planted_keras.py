"""A Keras model of two layers, without a fault."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np


def honest() -> Any:
    layers = [keras.layers.Dense(8, name="first"), keras.layers.ReLU(), keras.layers.Dense(8, name="second")]
    numbers = np.random.default_rng(0)
    batch = numbers.standard_normal((4, 8), np.float32), numbers.standard_normal((4, 8), np.float32)

    def loss(model: Any, batch: Any) -> Any:
        # An operator of TensorFlow's would not take the bfloat16 of a mixed policy with the float32 of the batch.
        return keras.ops.mean(keras.ops.square(keras.ops.subtract(model(batch[0]), batch[1])))

    return keras.Sequential(layers), batch, loss


def frozen() -> Any:
    model, batch, loss = honest()
    model.trainable = False
    return model, batch, loss


def no_scalar() -> Any:
    model, batch, _ = honest()
    return model, batch, lambda model, batch: model(batch[0])


def no_model() -> Any:
    return honest()[0].layers, *honest()[1:]


def two_types() -> Any:
    """An operator between the output of a layer and the batch, which are of two types in mixed precision."""
    model, batch, _ = honest()
    return model, batch, lambda model, batch: keras.ops.mean(model(batch[0]) - batch[1])
