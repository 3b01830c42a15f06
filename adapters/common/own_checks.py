"""Checks a user's own model by its losses, gradients and types, in any framework. The checks raise OwnModelError."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from harness.workload.agreement import GRADIENT_LIMIT
from harness.workload.own_truth import Truth, truth_of

from .own_model import OwnModelError

LossAndGradients = tuple[float, Mapping[str, np.ndarray]]  # a loss and its gradients by name

# Two calls of one program on one machine differ by the order of sums at most, and by what a digit of bf16 makes of it.
REPEATS, REPEATS_IN_BF16 = 1e-4, 1e-2


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


def check_repeats(model: str, first: LossAndGradients, second: LossAndGradients, precision: str) -> None:
    """Require that two calls give the same loss and gradients, up to the order of sums."""
    check_finite(model, first[0])
    most = REPEATS_IN_BF16 if precision.startswith("bf16") else REPEATS
    if abs(second[0] - first[0]) > most * abs(first[0]):
        raise OwnModelError(
            f"{model} is not deterministic: two calls give losses of {first[0]:.6g} and {second[0]:.6g}; check "
            "for dropout, data loading or a training step in the loss (in torch, model.eval() switches dropout off)",
            wrong=True,
        )
    total = float(np.linalg.norm([np.linalg.norm(gradient) for gradient in first[1].values()]))
    for name, gradient in first[1].items():
        if float(np.linalg.norm(second[1][name] - gradient)) > most * total:
            raise OwnModelError(
                f"{model} is not deterministic: the gradient of {name} differs between two calls; check for "
                "dropout or data loading in the loss",
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


def note_of_types(precision: str, multiplied: Collection[str], results: Collection[str]) -> str:
    """The note on a model whose own code casts out of the precision that was chosen; empty if it does not.

    `multiplied` are the types of multiplies, `results` those of all floating-point results.
    """
    if precision.startswith("bf16") and multiplied and "bfloat16" not in multiplied:
        return f"precision={precision} changes nothing: its own code multiplies in {', '.join(sorted(multiplied))}"
    if is_narrowed(precision, results):
        narrow = ", ".join(sorted(set(results) - {"float64"}))
        return f"its own code casts from float64 to {narrow}, so it is compared as float32 is"
    return ""


def is_narrowed(precision: str, results: Collection[str]) -> bool:
    """Whether a model in float64 computes in a narrower type all the same."""
    return precision == "fp64" and not set(results) <= {"float64"}


def checked_truth(
    model: str,
    exact: LossAndGradients,
    rounded: LossAndGradients,
    source: str,
    drawn: str,
    notes: Mapping[str, str],
    rounding: str,
) -> Truth:
    """Make a truth as `truth_of` does; in bf16, also note each gradient that is too rounded to be compared.

    Raises OwnModelError if the whole gradient, or the loss, is too rounded in bf16.
    """
    truth = truth_of(exact, rounded, source, drawn, notes, rounding)
    if rounding not in GRADIENT_LIMIT:
        return truth
    expected, most = truth.reference, GRADIENT_LIMIT[rounding]
    off = float(np.linalg.norm([np.linalg.norm(rounded[1][name] - exact[1][name]) for name in exact[1]]))
    if not (off <= most * expected.norm and expected.loss_error(rounded[0]) <= most):
        raise OwnModelError(
            f"{model}: run op by op in {rounding}, the whole gradient is off by {off / expected.norm:.2g} of its norm, "
            "so too little is left to compare other programs with; choose precision=fp32, or other weights",
            wrong=True,
        )
    lost = [name for name, limit in expected.allowed.gradients.items() if math.isinf(limit)]
    if not lost:
        return truth
    others = f" and {len(lost) - 1} others" if lost[1:] else ""
    said = f"{rounding} leaves too little of the gradient of {lost[0]}{others} to compare it with float64"
    notes = {**notes, "backward": "; ".join(filter(None, [notes.get("backward"), said]))}
    return replace(truth, notes=notes)
