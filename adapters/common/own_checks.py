"""What can be said of a user's own model from its answers, in any framework. Each raises OwnModelError."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from .own_model import OwnModelError

Answer = tuple[float, Mapping[str, np.ndarray]]  # a loss and its gradients by name

# In float32, two calls of one program on one machine differ by the order of sums at most.
REPEATS = 1e-4


def check_scalar(model: str, shape: tuple[int, ...] | None, loss: Any) -> None:
    """Require a loss without axes; `shape` is None for what is no array."""
    if shape is None:
        raise OwnModelError(
            f"{model}: its loss is a {type(loss).__name__}; it must be a scalar of the framework's own", wrong=True
        )
    if shape != ():
        raise OwnModelError(
            f"{model}: its loss has shape {list(shape)}; it must be a scalar, such as the mean", wrong=True
        )


def check_finite(model: str, loss: float) -> None:
    """Require a loss that can be compared."""
    if not math.isfinite(loss):
        raise OwnModelError(f"{model}: its loss is {loss}, which nothing can be compared with", wrong=True)


def check_repeats(model: str, first: Answer, second: Answer) -> None:
    """Require that two calls give the same loss and gradients, up to the order of sums."""
    check_finite(model, first[0])
    if abs(second[0] - first[0]) > REPEATS * abs(first[0]):
        raise OwnModelError(
            f"{model} is not deterministic: two calls give losses of {first[0]:.6g} and {second[0]:.6g}; dropout? data "
            "loading? a step of training? (in torch, model.eval() switches dropout off)",
            wrong=True,
        )
    total = float(np.linalg.norm([np.linalg.norm(gradient) for gradient in first[1].values()]))
    for name, gradient in first[1].items():
        if float(np.linalg.norm(second[1][name] - gradient)) > REPEATS * total:
            raise OwnModelError(
                f"{model} is not deterministic: the gradient of {name} differs between two calls; dropout? data "
                "loading?",
                wrong=True,
            )


def check_types(model: str, forward: Collection[str], backward: Collection[str]) -> None:
    """Require that both passes multiply in the same types."""
    if forward and backward and ("float64" in forward) != ("float64" in backward):
        wide, narrow = ("forward", "backward") if "float64" in forward else ("backward", "forward")
        raise OwnModelError(
            f"{model}: {wide} multiplies in float64 and {narrow} does not, so their ratio would be one of types; cast "
            "once, in build",
            wrong=True,
        )
