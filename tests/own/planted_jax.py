"""Jax models with one fault each; `honest` has none."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Built = tuple[Any, Any, Callable[[Any, Any], Any]]
NUMBERS = np.random.default_rng(0)


def _array(*shape: int) -> jax.Array:
    return jnp.asarray(NUMBERS.standard_normal(shape), jnp.float32)


def _fresh() -> None:
    """The same numbers in every build."""
    global NUMBERS
    NUMBERS = np.random.default_rng(0)


def _outputs(parameters: Any, batch: Any) -> jax.Array:
    x = batch[0]
    for layer in parameters["layers"]:
        x = jax.nn.relu(x @ layer["w"] + layer["b"])
    return x


def _loss(parameters: Any, batch: Any) -> jax.Array:
    return ((_outputs(parameters, batch) - batch[1]) ** 2).mean()


def honest() -> Built:
    _fresh()
    layers = [{"w": _array(8, 8), "b": _array(8)} for _ in range(2)]
    return {"layers": layers}, (_array(4, 8), _array(4, 8)), _loss


def no_parameters() -> Built:
    return {"n": 3}, honest()[1], lambda p, b: (b[0] ** 2).mean()


def own_weights() -> Built:
    parameters, batch, _ = honest()
    return {"w": _array(8)}, batch, lambda p, b: _loss(parameters, b)


def no_scalar() -> Built:
    parameters, batch, _ = honest()
    return parameters, batch, _outputs


def drawn_in_python() -> Built:
    parameters, batch, _ = honest()
    return parameters, batch, lambda p, b: _loss(p, b) * (1 + random.random())


def nan() -> Built:
    parameters, batch, _ = honest()
    return parameters, batch, lambda p, b: _loss(p, b) * jnp.nan


def reads_a_number() -> Built:
    parameters, batch, _ = honest()

    def loss(parameters: Any, batch: Any) -> jax.Array:
        value = _loss(parameters, batch)
        return value if float(value) > 0 else -value

    return parameters, batch, loss


def one_unused() -> Built:
    parameters, batch, _ = honest()
    return parameters | {"spare": _array(8)}, batch, _loss


def callback() -> Built:
    parameters, batch, _ = honest()

    def loss(parameters: Any, batch: Any) -> jax.Array:
        x = jax.pure_callback(np.asarray, jax.ShapeDtypeStruct(batch[0].shape, batch[0].dtype), batch[0])
        return _loss(parameters, (x, batch[1]))

    return parameters, batch, loss
