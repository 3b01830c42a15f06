"""MobileNetV2 of keras.applications, on torch, jax and TensorFlow with the same weights."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np


def build(batch: int = 2, image: int = 64, classes: int = 10) -> Any:
    model = keras.applications.MobileNetV2((image, image, 3), alpha=0.35, weights=None, classes=classes)
    numbers = np.random.default_rng(0)
    images = numbers.standard_normal((batch, image, image, 3), np.float32)
    labels = numbers.integers(classes, size=batch)

    def loss(model: Any, batch: Any) -> Any:
        images, labels = batch
        return keras.ops.mean(keras.losses.sparse_categorical_crossentropy(labels, model(images, training=False)))

    return model, (images, labels), loss
