"""A user's own torch model in float64, and everything that can be found out about it by running it once, op by op."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

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
from .counting import multiplies
from .mixed import wide
from .own import BuiltModel, build_model, in_precision

SOURCE = f"torch {torch.__version__}, float64"


class _Watch(TorchDispatchMode):
    """Notes the types in which torch multiplies and computes, and whether a number is read from the device."""

    def __init__(self) -> None:
        super().__init__()
        self.types: set[str] = set()
        self.results: set[str] = set()
        self.reads = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        floats = {_name(t) for t in pytree.tree_leaves(out) if isinstance(t, Tensor) and t.is_floating_point()}
        self.results |= floats
        if multiplies(func):
            self.types |= floats
        self.reads |= func.overloadpacket is torch.ops.aten._local_scalar_dense
        return out


def own_truth(model: OwnModel, device: torch.device) -> Truth:
    """Run the model as it is measured, twice, and in float64; where these are the same, once in float32 too.

    Raises OwnModelError for all that is wrong with it.
    """
    keras_model.refuse_float64(model)
    precision = model.workload.precision
    built_model = build_model(model, device)
    drawn, notes = built_model.drawn, dict(built_model.notes)
    if precision == "fp64":
        with model.running(f"{model}: its loss"):
            rounded, _ = _answer(model, built_model)
    base, built_model = built_model, in_precision(model, built_model, device, precision)
    with model.running(f"{model}: {'in float64, ' if precision == 'fp64' else ''}its loss"):
        first, unused, narrowed = _watched(model, built_model, notes)
        second, _ = _answer(model, built_model)
    check_repeats(str(model), first, second, precision)
    if unused:
        notes["backward"] = f"{_some(unused)} no gradient: the loss does not depend on it"
    if precision == "fp64":
        return checked_truth(str(model), first, rounded, SOURCE, drawn, notes, "fp64" if narrowed else "fp32")
    if precision == "bf16":  # digits are lost
        base = build_model(model, device)
        model.check_drawn(base.drawn, drawn)
    built_model = in_precision(model, base, device, "fp64")
    with model.running(f"{model}: in float64, in which it is checked, its loss"):
        exact, _ = _answer(model, built_model)
    return checked_truth(str(model), exact, first, SOURCE, drawn, notes, "fp32" if precision == "tf32" else precision)


def _watched(
    model: OwnModel, built_model: BuiltModel, notes: dict[str, str]
) -> tuple[LossAndGradients, list[str], bool]:
    """The loss and gradients, the parameters without one, and whether float64 is narrowed; notes what torch does."""
    forward, backward = _Watch(), _Watch()
    with forward:
        loss = built_model.loss(built_model.parameters, built_model.batch)
    check_scalar(str(model), tuple(loss.shape) if isinstance(loss, Tensor) else None, loss)
    if not loss.requires_grad:
        raise OwnModelError(_depends_on_none(model), wrong=True)
    with backward:
        gradients = dict(zip(built_model.wanted, _grad(loss, built_model), strict=True))
    check_types(str(model), forward.types, backward.types)
    read = "run op by op, forward waits for a number from the device (.item(), float(), if): on a GPU, in every call"
    precision, results = model.workload.precision, forward.results | backward.results
    cast = note_of_types(precision, forward.types, results)
    notes["forward"] = "; ".join(filter(None, [notes.get("forward"), read if forward.reads else "", cast]))
    unused = [name for name, gradient in gradients.items() if gradient is None]
    return _exported(loss, gradients), unused, is_narrowed(precision, results)


def _answer(model: OwnModel, built_model: BuiltModel) -> tuple[LossAndGradients, list[str]]:
    loss = built_model.loss(built_model.parameters, built_model.batch)
    gradients = dict(zip(built_model.wanted, _grad(loss, built_model), strict=True))
    unused = [name for name, gradient in gradients.items() if gradient is None]
    if len(unused) == len(gradients):
        raise OwnModelError(_depends_on_none(model), wrong=True)
    return _exported(loss, gradients), unused


def _grad(loss: Tensor, built_model: BuiltModel) -> tuple[Tensor | None, ...]:
    return torch.autograd.grad(loss, list(built_model.wanted.values()), allow_unused=True)


def _exported(loss: Tensor, gradients: dict[str, Tensor | None]) -> LossAndGradients:
    """As NumPy has them, those that there are."""
    arrays: dict[str, np.ndarray] = {}
    for name, gradient in gradients.items():
        if gradient is not None:
            arrays[name] = wide(gradient.detach()).to("cpu").to_dense().numpy()
    return float(loss.detach()), arrays


def _name(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _depends_on_none(model: OwnModel) -> str:
    return (
        f"{model}: the loss depends on none of the parameters; does loss(parameters, batch) use the parameters that it "
        "is given, outside torch.no_grad and without detach?"
    )


def _some(names: list[str]) -> str:
    """`a has`, `a and b have`, `a and 7 others have`."""
    if len(names) == 1:
        return f"{names[0]} has"
    return f"{names[0]} and {names[1] if len(names) == 2 else f'{len(names) - 1} others'} have"
