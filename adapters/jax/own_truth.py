"""A user's own model in jax in float64, and everything that can be found out about it by tracing it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from harness.workload.own_truth import Truth

from ..common import keras_model
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
from .arithmetic import once
from .mixed import wide
from .own import BuiltModel, build_model, in_precision

SOURCE = f"jax {jax.__version__}, float64"

_MULTIPLIES = ("dot_general", "conv_general_dilated", "ragged_dot")


def own_truth(model: OwnModel, device: jax.Device) -> Truth:
    """Run the model as it is measured, twice, and in float64; where these are the same, once in float32 too.

    Raises OwnModelError for all that is wrong with it.
    """
    keras_model.refuse_float64(model)
    precision = model.workload.precision
    # Drawn in the user's own setting, for another one draws other numbers.
    jax.config.update("jax_enable_x64", False)
    built_model = build_model(model, device)
    drawn, notes = built_model.drawn, dict(built_model.notes)
    with model.running(f"{model}: its loss"):
        _check_scalar(model, built_model)
        plain = _answer(built_model, device) if precision == "fp64" else None
    with jax.enable_x64(precision == "fp64"):
        measured = in_precision(model, built_model, device, precision)
        with model.running(f"{model}: {'in float64, ' if precision == 'fp64' else ''}its loss"):
            narrowed = _check_traced(model, measured, notes)
            first, second = _answer(measured, device), _answer(measured, device)
    check_repeats(str(model), first, second, precision)
    with jax.enable_x64(True), model.running(f"{model}: in float64, in which it is checked, its loss"):
        exact = first if plain else _answer(in_precision(model, built_model, device, "fp64"), device)
    unused = [name for name, gradient in exact[1].items() if not gradient.any()]
    if len(unused) == len(exact[1]):
        raise OwnModelError(
            f"{model}: every gradient is zero; does loss(parameters, batch) use the parameters that it is given?",
            wrong=True,
        )
    if unused:
        others = "" if len(unused) == 1 else f", and of {len(unused) - 1} others,"
        notes["backward"] = f"the gradient of {unused[0]}{others} is zero everywhere: the loss may not depend on it"
    if plain:
        return checked_truth(str(model), exact, plain, SOURCE, drawn, notes, "fp64" if narrowed else "fp32")
    return checked_truth(str(model), exact, first, SOURCE, drawn, notes, "fp32" if precision == "tf32" else precision)


def _check_scalar(model: OwnModel, built_model: BuiltModel) -> None:
    loss = jax.eval_shape(built_model.loss, built_model.sources, built_model.rest)
    check_scalar(str(model), getattr(loss, "shape", None), loss)


def _check_traced(model: OwnModel, built_model: BuiltModel, notes: dict[str, str]) -> bool:
    """Look at types, and calls of Python, in the traced loss and gradient. Returns whether float64 is narrowed."""
    forward = list(_equations(jax.make_jaxpr(built_model.loss)(built_model.sources, built_model.rest).jaxpr))
    both = list(_equations(jax.make_jaxpr(jax.grad(built_model.loss))(built_model.sources, built_model.rest).jaxpr))
    ahead, total = _multiplies(forward), _multiplies(both)
    backward = [dtype for dtype in set(total) if total.count(dtype) > ahead.count(dtype)]
    check_types(str(model), set(ahead), backward)
    calls = any("callback" in equation.primitive.name for equation in forward)
    called = "forward calls back into Python, and waits for it in every call" if calls else ""
    precision, results = model.workload.precision, _floats(both)
    cast = note_of_types(precision, set(ahead), results)
    notes["forward"] = "; ".join(filter(None, [notes.get("forward"), called, cast]))
    return is_narrowed(precision, results)


def _floats(equations: list[Any]) -> set[str]:
    """The floating-point types of results."""
    dtypes = {variable.aval.dtype for e in equations for variable in e.outvars if hasattr(variable.aval, "dtype")}
    return {str(dtype) for dtype in dtypes if jnp.issubdtype(dtype, jnp.floating)}


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


def _answer(built_model: BuiltModel, device: jax.Device) -> LossAndGradients:
    """Loss and gradients of a fresh trace: a number that Python drew would be another one."""
    fresh = once(jax.value_and_grad(lambda *given: built_model.loss(*given)), device)
    loss, gradients = fresh(built_model.sources, built_model.rest)
    return float(loss), {name: np.asarray(wide(gradient)) for name, gradient in gradients.items()}
