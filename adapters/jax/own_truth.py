"""A user's own model in jax in float64, and everything that can be found out about it by tracing it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from harness.workload.own_truth import Truth, truth_of

from ..common import keras_model
from ..common.own_checks import Answer, check_repeats, check_scalar, check_types
from ..common.own_model import OwnModel, OwnModelError
from .own import Parts, parts_of

SOURCE = f"jax {jax.__version__}, float64"

_MULTIPLIES = ("dot_general", "conv_general_dilated", "ragged_dot")


def own_truth(model: OwnModel, device: jax.Device) -> Truth:
    """Run the model in float32, twice, and in float64. Raises OwnModelError for all that is wrong with it."""
    # Drawn in the user's own setting, for another one draws other numbers.
    jax.config.update("jax_enable_x64", False)
    parts = parts_of(model, device)
    drawn, notes = parts.drawn, dict(parts.notes)
    with model.running(f"{model}: its loss"):
        _check_traced(model, parts, notes)
        first, second = _answer(parts), _answer(parts)
    check_repeats(str(model), first, second)
    with jax.enable_x64(True), model.running(f"{model}: in float64, in which it is checked, its loss"):
        if model.uses_keras:
            with keras_model.float64():
                parts = parts_of(model, device)
        else:
            parts = replace(parts, sources=_widened(parts.sources), rest=_widened(parts.rest))
        exact = _answer(parts)
    unused = [name for name, gradient in exact[1].items() if not gradient.any()]
    if len(unused) == len(exact[1]):
        raise OwnModelError(
            f"{model}: every gradient is zero; does loss(parameters, batch) use the parameters that it is given?",
            wrong=True,
        )
    if unused:
        others = "" if len(unused) == 1 else f", and of {len(unused) - 1} others,"
        notes["backward"] = f"the gradient of {unused[0]}{others} is zero everywhere: the loss may not depend on it"
    return truth_of(exact, first, SOURCE, drawn, notes)


def _check_traced(model: OwnModel, parts: Parts, notes: dict[str, str]) -> None:
    """Look at the traced loss and gradient: shape, types, and calls of Python."""
    loss = jax.eval_shape(parts.loss, parts.sources, parts.rest)
    check_scalar(str(model), getattr(loss, "shape", None), loss)
    forward = list(_equations(jax.make_jaxpr(parts.loss)(parts.sources, parts.rest).jaxpr))
    both = list(_equations(jax.make_jaxpr(jax.grad(parts.loss))(parts.sources, parts.rest).jaxpr))
    ahead, total = _multiplies(forward), _multiplies(both)
    backward = [dtype for dtype in set(total) if total.count(dtype) > ahead.count(dtype)]
    check_types(str(model), set(ahead), backward)
    if any("callback" in equation.primitive.name for equation in forward):
        notes["forward"] = "forward calls back into Python, and waits for it in every call"


def _multiplies(equations: list[Any]) -> list[str]:
    """The type of each multiply's result."""
    return [str(e.outvars[0].aval.dtype) for e in equations if e.primitive.name in _MULTIPLIES]


def _equations(jaxpr: Any) -> Iterator[Any]:
    """Every equation of a trace, with those of the functions that it calls."""
    for equation in jaxpr.eqns:
        yield equation
        for parameter in jax.tree.leaves(list(equation.params.values()), is_leaf=_is_jaxpr):
            if _is_jaxpr(parameter):
                yield from _equations(getattr(parameter, "jaxpr", parameter))


def _is_jaxpr(value: Any) -> bool:
    return hasattr(getattr(value, "jaxpr", value), "eqns")


def _answer(parts: Parts) -> Answer:
    """Loss and gradients of a fresh trace: a number that Python drew would be another one."""
    loss, gradients = jax.jit(jax.value_and_grad(lambda *given: parts.loss(*given)))(parts.sources, parts.rest)
    return float(loss), {name: np.asarray(gradient) for name, gradient in gradients.items()}


def _widened(arrays: dict[str, Any]) -> dict[str, Any]:
    """The arrays with float64 in place of narrower floating-point numbers."""
    return {
        name: array.astype(jnp.float64) if jnp.issubdtype(array.dtype, jnp.floating) else array
        for name, array in arrays.items()
    }
