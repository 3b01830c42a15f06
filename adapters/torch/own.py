"""A user's own torch model, run op by op as a training loop would run it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ..base import Executed
from ..common import keras_model
from ..common.own_model import Built, OwnModel, OwnModelError
from ..common.program import Plain
from ..profiled import OpTimes
from .counting import count_phases
from .mixed import autocast, wide
from .own_profiled import profiled_ops
from .residuals import residual_bytes


@dataclass
class BuiltModel:
    """A built model on its device: what its loss is called with, and the parameters that have a gradient, by name."""

    parameters: Any
    batch: Any
    loss: Callable[[Any, Any], Any]
    wanted: dict[str, Tensor]
    notes: dict[str, str]

    @property
    def given(self) -> list[Tensor]:
        """Every tensor that is there before forward: parameters, buffers and the batch."""
        own = self.parameters
        held = [*own.parameters(), *own.buffers()] if isinstance(own, nn.Module) else list(own.values())
        return [*held, *(leaf for leaf in pytree.tree_leaves(self.batch) if isinstance(leaf, Tensor))]

    @property
    def drawn(self) -> str:
        """A digest of the parameters that have a gradient, and of the batch."""
        digest = hashlib.sha256()
        for tensor in (*self.wanted.values(), *pytree.tree_leaves(self.batch)):
            if isinstance(tensor, Tensor):
                digest.update(tensor.detach().to("cpu").reshape(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()[:16]


def build_model(model: OwnModel, device: torch.device, keras_precision: str = "fp32") -> BuiltModel:
    """Build the model on the device with torch's seed set: Keras's in `keras_precision`, any other as its code has it.

    Raises OwnModelError.
    """
    torch.manual_seed(model.workload.seed)
    built = keras_model.build(model, keras_precision) if model.uses_keras else model.build()
    notes = dict(built.notes)
    batch = pytree.tree_map(lambda leaf: _placed(leaf, device, notes), built.batch)
    parameters = _on(device, model, built)
    if model.uses_keras:
        wanted = {name: variable.value for name, variable in keras_model.trained(parameters).items()}
    elif isinstance(parameters, nn.Module):
        wanted = dict(parameters.named_parameters())
    else:
        wanted = parameters
    wanted = {name: tensor for name, tensor in wanted.items() if tensor.requires_grad}
    if not model.uses_keras:
        for name in model.frozen(wanted):
            wanted.pop(name).requires_grad_(False)
    if not wanted:
        raise OwnModelError(
            f"{model}: no parameter requires a gradient, so there is no backward pass; call requires_grad_() on those "
            "that are trained",
            wrong=True,
        )
    return BuiltModel(parameters, batch, built.loss, wanted, notes)


def rebuild_model(model: OwnModel, device: torch.device) -> BuiltModel:
    """Build the model as it was built for its truth, with those parameters wanted that have a gradient there."""
    built_model = build_model(model, device)
    model.check_drawn(built_model.drawn, model.truth.drawn)
    built_model = in_precision(model, built_model, device, model.workload.precision)
    return replace(built_model, wanted={name: built_model.wanted[name] for name in model.truth.reference.gradients})


def in_precision(model: OwnModel, built_model: BuiltModel, device: torch.device, precision: str) -> BuiltModel:
    """A built model as it is in a precision; Keras's is built again, and a module changed in place.

    Its loss may hold the module itself, so a copy would not do. tf32 is a setting of the process.
    """
    if precision in ("fp32", "tf32"):
        return built_model
    if model.uses_keras:
        return build_model(model, device, precision)
    if precision == "bf16_mixed":
        return replace(built_model, loss=autocast(built_model.loss, device))
    return _cast(built_model, {"bf16": torch.bfloat16, "fp64": torch.float64}[precision])


def _cast(built_model: BuiltModel, dtype: torch.dtype) -> BuiltModel:
    """All floating-point tensors in one type."""

    def cast(leaf: Any) -> Any:
        return leaf.detach().to(dtype) if isinstance(leaf, Tensor) and leaf.is_floating_point() else leaf

    if isinstance(built_model.parameters, nn.Module):
        parameters: Any = built_model.parameters.to(dtype)
        names = dict(parameters.named_parameters())
    else:
        parameters = {n: cast(t).requires_grad_(t.requires_grad) for n, t in built_model.parameters.items()}
        names = parameters
    wanted = {name: names[name] for name in built_model.wanted}
    return replace(built_model, parameters=parameters, batch=pytree.tree_map(cast, built_model.batch), wanted=wanted)


def _on(device: torch.device, model: OwnModel, built: Built) -> Any:
    """The parameters on the device. Raises OwnModelError if they are neither a module nor a mapping of tensors."""
    parameters = built.parameters
    if isinstance(parameters, nn.Module):
        return parameters.to(device)
    if isinstance(parameters, Mapping) and all(isinstance(value, Tensor) for value in parameters.values()):
        return {
            str(name): value.detach().to(device).requires_grad_(value.requires_grad)
            for name, value in parameters.items()
        }
    raise OwnModelError(
        f"{model}: its parameters are a {type(parameters).__name__}; in torch they must be an nn.Module, or a dict of "
        "tensors"
    )


def _placed(leaf: Any, device: torch.device, notes: dict[str, str]) -> Any:
    """A leaf of the batch on the device, without the gradient that it may require."""
    if isinstance(leaf, Tensor) and leaf.requires_grad:
        notes["forward"] = (
            "an input of the batch requires a gradient; it is measured without, else a training loop's backward would "
            "multiply for the first layer's input too, and that layer would look like all others"
        )
        leaf = leaf.detach()
    return leaf.to(device) if hasattr(leaf, "to") else leaf


class Own(Plain):
    """`forward` returns the loss, and the same loss with its autograd graph."""

    def __init__(self, built_model: BuiltModel) -> None:
        self._built_model = built_model
        self._parameters, self._batch = built_model.parameters, built_model.batch
        self._infer: Callable[[Any, Any], Any] = built_model.loss
        self._loss: Callable[[Any, Any], Any] = built_model.loss
        self._names, self._wanted = tuple(built_model.wanted), tuple(built_model.wanted.values())

    def inference(self) -> Tensor:
        with torch.no_grad():
            return self._infer(self._parameters, self._batch)

    def forward(self) -> tuple[Tensor, Tensor]:
        loss = self._loss(self._parameters, self._batch)
        return loss.detach(), loss

    def backward(self, kept: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        # Not Tensor.backward, which would also add to .grad.
        return dict(zip(self._names, torch.autograd.grad(kept[1], self._wanted), strict=True))

    def parameters(self) -> dict[str, Tensor]:
        return {name: tensor.detach() for name, tensor in zip(self._names, self._wanted, strict=True)}

    def export(self, gradients: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
        return {name: wide(g.detach()).to("cpu").numpy() for name, g in gradients.items()}

    def residual_bytes(self, kept: tuple[Tensor, Tensor]) -> int:
        return residual_bytes(kept[1], self._built_model.given)

    def executed(self) -> dict[str, Executed]:
        return count_phases(self)

    def profiled_ops(self, passes: int) -> list[list[OpTimes]]:
        return profiled_ops(self.forward, self.backward, self._parameters, self._wanted[0].device, passes)
