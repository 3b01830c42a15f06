"""A flax module: a small convolutional network."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax


class Network(nn.Module):
    width: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for _ in range(2):
            x = nn.relu(nn.Conv(self.width, (3, 3))(x))
        return nn.Dense(10)(x.mean((1, 2)))


def build(batch: int = 8, image: int = 16, width: int = 32) -> Any:
    weights, drawn = jax.random.split(jax.random.key(0))
    network = Network(width)
    images = jax.random.normal(drawn, (batch, image, image, 3), jnp.float32)
    labels = jnp.arange(batch) % 10

    def loss(parameters: Any, batch: Any) -> jax.Array:
        images, labels = batch
        return optax.softmax_cross_entropy_with_integer_labels(network.apply(parameters, images), labels).mean()

    return network.init(weights, images), (images, labels), loss
