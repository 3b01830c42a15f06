"""A user's own Keras model on TensorFlow in float64, and what can be found out about it by running it op by op."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from harness.workload.own_truth import Truth, truth_of

from ..common import keras_model
from ..common.own_checks import Answer, check_repeats, check_scalar, check_types
from ..common.own_model import OwnModel, OwnModelError
from .counting import multiplies, observed_ops
from .own import Parts, parts_of

SOURCE = f"tensorflow {tf.__version__}, float64"


class _Types:
    """Notes the types in which TensorFlow multiplies."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def observe(self, kind: str, attributes: Mapping[str, Any], inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        if multiplies(kind):
            self.names |= {output.dtype.name for output in outputs}


def own_truth(model: OwnModel) -> Truth:
    """Run the model in float32, twice, and in float64. Raises OwnModelError for all that is wrong with it."""
    parts = parts_of(model)
    drawn, notes = parts.drawn, dict(parts.built.notes)
    with model.running(f"{model}: its loss"):
        first, unused = _answer(model, parts)
        second, _ = _answer(model, parts)
    check_repeats(str(model), first, second)
    if unused:
        others = "" if len(unused) == 1 else f" and {len(unused) - 1} others"
        notes["backward"] = f"{unused[0]}{others}: no gradient, for the loss does not depend on it"
    with keras_model.float64(), model.running(f"{model}: in float64, in which it is checked, its loss"):
        exact, _ = _answer(model, parts_of(model))
    return truth_of(exact, first, SOURCE, drawn, notes)


def _answer(model: OwnModel, parts: Parts) -> tuple[Answer, list[str]]:
    """Loss and gradients, and the names of variables without one."""
    forward, backward = _Types(), _Types()
    with tf.GradientTape() as tape, observed_ops(forward.observe):
        loss = parts.loss()
    check_scalar(str(model), tuple(loss.shape) if isinstance(loss, tf.Tensor) else None, loss)
    sources = [variable.value for variable in parts.wanted.values()]
    with observed_ops(backward.observe):
        gradients = dict(zip(parts.wanted, tape.gradient(loss, sources), strict=True))
    check_types(str(model), forward.names, backward.names)
    unused = [name for name, gradient in gradients.items() if gradient is None]
    if len(unused) == len(gradients):
        raise OwnModelError(
            f"{model}: the loss depends on none of the parameters; does loss(parameters, batch) use those that it is "
            "given?",
            wrong=True,
        )
    arrays = {name: tf.convert_to_tensor(g).numpy() for name, g in gradients.items() if g is not None}
    return (float(loss), arrays), unused
