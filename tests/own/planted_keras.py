"""A Keras model of two layers, without a fault."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np


def honest() -> Any:
    layers = [keras.layers.Dense(8, name="first"), keras.layers.ReLU(), keras.layers.Dense(8, name="second")]
    numbers = np.random.default_rng(0)
    batch = numbers.standard_normal((4, 8), np.float32), numbers.standard_normal((4, 8), np.float32)
    return keras.Sequential(layers), batch, lambda model, batch: keras.ops.mean((model(batch[0]) - batch[1]) ** 2)
