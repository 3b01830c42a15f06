"""A user's own Keras model on TensorFlow in float64, and what can be found out about it by running it op by op."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from harness.workload.own_truth import Truth

from ..common.own_checks import (
    LossAndGradients,
    check_repeats,
    check_scalar,
    check_types,
    checked_truth,
    is_narrowed,
    note_of_types,
)
from ..common.own_model import OwnModel, OwnModelError
from .counting import multiplies, observed_ops
from .mixed import wide
from .own import BuiltModel, build_model, in_precision

SOURCE = f"tensorflow {tf.__version__}, float64"


class _Types:
    """Notes the types in which TensorFlow multiplies, and those of all floating-point results."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.results: set[str] = set()

    def observe(self, kind: str, attributes: Any, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        floats = {output.dtype.name for output in outputs if output.dtype.is_floating}
        self.results |= floats
        if multiplies(kind):
            self.names |= floats


def own_truth(model: OwnModel) -> Truth:
    """Run the model as it is measured, twice, and in float64; where these are the same, once in float32 too.

    Raises OwnModelError for all that is wrong with it.
    """
    precision = model.workload.precision
    built_model = build_model(model)
    drawn, notes = built_model.drawn, dict(built_model.built.notes)
    plain = None
    if precision == "fp64":
        with model.running(f"{model}: its loss"):
            plain, _, _ = _answer(model, built_model)
    with model.running(f"{model}: {'in float64, ' if precision == 'fp64' else ''}its loss"):
        built_model = in_precision(model, built_model, precision)
        first, unused, types = _answer(model, built_model)
        second, _, _ = _answer(model, built_model)
    check_repeats(str(model), first, second, precision)
    cast = note_of_types(precision, types.names, types.results)
    notes["forward"] = "; ".join(filter(None, [notes.get("forward"), cast]))
    if unused:
        others = "" if len(unused) == 1 else f" and {len(unused) - 1} others"
        notes["backward"] = f"{unused[0]}{others}: no gradient, for the loss does not depend on it"
    if plain:
        rounding = "fp64" if is_narrowed(precision, types.results) else "fp32"
        return checked_truth(str(model), first, plain, SOURCE, drawn, notes, rounding)
    with model.running(f"{model}: in float64, in which it is checked, its loss"):
        exact, _, _ = _answer(model, in_precision(model, built_model, "fp64"))
    return checked_truth(str(model), exact, first, SOURCE, drawn, notes, "fp32" if precision == "tf32" else precision)


def _answer(model: OwnModel, built_model: BuiltModel) -> tuple[LossAndGradients, list[str], _Types]:
    """Loss and gradients, the names of variables without one, and the types in which they are computed."""
    forward, backward = _Types(), _Types()
    with tf.GradientTape() as tape, observed_ops(forward.observe):
        loss = built_model.loss()
    check_scalar(str(model), tuple(loss.shape) if isinstance(loss, tf.Tensor) else None, loss)
    sources = [variable.value for variable in built_model.wanted.values()]
    with observed_ops(backward.observe):
        gradients = dict(zip(built_model.wanted, tape.gradient(loss, sources), strict=True))
    check_types(str(model), forward.names, backward.names)
    unused = [name for name, gradient in gradients.items() if gradient is None]
    if len(unused) == len(gradients):
        raise OwnModelError(
            f"{model}: the loss depends on none of the parameters; does loss(parameters, batch) use those that it is "
            "given?",
            wrong=True,
        )
    arrays = {name: wide(tf.convert_to_tensor(g)).numpy() for name, g in gradients.items() if g is not None}
    forward.results |= backward.results
    return (float(loss), arrays), unused, forward
