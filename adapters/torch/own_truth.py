"""A user's own torch model in float64, and everything that can be found out about it by running it once, op by op."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from harness.workload.own_truth import Truth, truth_of

from ..common import keras_model
from ..common.own_checks import Answer, check_repeats, check_scalar, check_types
from ..common.own_model import OwnModel, OwnModelError
from .counting import multiplies
from .own import Parts, parts_of

SOURCE = f"torch {torch.__version__}, float64"


class _Watch(TorchDispatchMode):
    """Notes the types in which torch multiplies, and whether a number is read from the device."""

    def __init__(self) -> None:
        super().__init__()
        self.types: set[str] = set()
        self.reads = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if multiplies(func):
            self.types |= {
                str(t.dtype).removeprefix("torch.") for t in pytree.tree_leaves(out) if isinstance(t, Tensor)
            }
        self.reads |= func.overloadpacket is torch.ops.aten._local_scalar_dense
        return out


def own_truth(model: OwnModel, device: torch.device) -> Truth:
    """Run the model in float32, twice, and in float64. Raises OwnModelError for all that is wrong with it."""
    parts = parts_of(model, device)
    drawn, notes = parts.drawn, dict(parts.notes)
    with model.running(f"{model}: its loss"):
        first, unused = _watched(model, parts, notes)
        second, _ = _answer(model, parts)
    check_repeats(str(model), first, second)
    if unused:
        notes["backward"] = f"{_some(unused)} no gradient: the loss does not depend on it"
    parts = keras_in_float64(model, device) if model.uses_keras else _widened(parts)
    with model.running(f"{model}: in float64, in which it is checked, its loss"):
        exact, _ = _answer(model, parts)
    return truth_of(exact, first, SOURCE, drawn, notes)


def keras_in_float64(model: OwnModel, device: torch.device) -> Parts:
    """A Keras model built once more in float64, with the same weights and batch."""
    with keras_model.float64():
        return parts_of(model, device)


def _watched(model: OwnModel, parts: Parts, notes: dict[str, str]) -> tuple[Answer, list[str]]:
    """The loss and gradients, and the parameters without one; notes what torch does meanwhile."""
    forward, backward = _Watch(), _Watch()
    with forward:
        loss = parts.loss(parts.parameters, parts.batch)
    check_scalar(str(model), tuple(loss.shape) if isinstance(loss, Tensor) else None, loss)
    if not loss.requires_grad:
        raise OwnModelError(_depends_on_none(model), wrong=True)
    with backward:
        gradients = dict(zip(parts.wanted, _grad(loss, parts), strict=True))
    check_types(str(model), forward.types, backward.types)
    if forward.reads:
        read = (
            "run op by op, forward waits for a number from the device (.item(), float(), if): on a GPU, in every call"
        )
        notes["forward"] = "; ".join(filter(None, [notes.get("forward"), read]))
    return _exported(loss, gradients), [name for name, gradient in gradients.items() if gradient is None]


def _answer(model: OwnModel, parts: Parts) -> tuple[Answer, list[str]]:
    loss = parts.loss(parts.parameters, parts.batch)
    gradients = dict(zip(parts.wanted, _grad(loss, parts), strict=True))
    unused = [name for name, gradient in gradients.items() if gradient is None]
    if len(unused) == len(gradients):
        raise OwnModelError(_depends_on_none(model), wrong=True)
    return _exported(loss, gradients), unused


def _grad(loss: Tensor, parts: Parts) -> tuple[Tensor | None, ...]:
    return torch.autograd.grad(loss, list(parts.wanted.values()), allow_unused=True)


def _exported(loss: Tensor, gradients: dict[str, Tensor | None]) -> Answer:
    """As NumPy has them, those that there are."""
    arrays: dict[str, np.ndarray] = {}
    for name, gradient in gradients.items():
        if gradient is not None:
            arrays[name] = gradient.detach().to("cpu").to_dense().numpy()
    return float(loss.detach()), arrays


def _widened(parts: Parts) -> Parts:
    """The same in float64. A module is changed in place, for its loss may hold the module itself."""
    if isinstance(parts.parameters, nn.Module):
        parameters: Any = parts.parameters.double()
        names = dict(parameters.named_parameters())
    else:
        parameters = {n: _double(t).requires_grad_(t.requires_grad) for n, t in parts.parameters.items()}
        names = parameters
    wanted = {name: names[name] for name in parts.wanted}
    return Parts(parameters, pytree.tree_map(_double, parts.batch), parts.loss, wanted, {})


def _double(leaf: Any) -> Any:
    return leaf.detach().double() if isinstance(leaf, Tensor) and leaf.is_floating_point() else leaf


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
