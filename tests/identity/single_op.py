"""One op of the catalogue against torch's own, as the adapter calls it, but in float64 through and through."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from adapters.torch import layout, ops
from harness.workload.interpret import interpreter
from harness.workload.models import SingleOp
from harness.workload.trace import trace
from tests.identity import torch_module
from tests.identity.arrays import Answer, Arrays


class Double:
    """The adapter's ops, with losses that do not round to float32."""

    def __getattr__(self, name: str) -> Any:
        return getattr(ops, name)

    @staticmethod
    def mse(a: Tensor, b: Tensor) -> Tensor:
        return F.mse_loss(a, b)

    @staticmethod
    def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits.flatten(0, -2), labels.flatten())


def named(ours: SingleOp, weights: Arrays) -> Arrays:
    axes = layout.axes_of(trace(ours))
    return {name: array.transpose(axes[name]) for name, array in weights.items()}


def answer(ours: SingleOp, weights: Arrays, batch: Arrays) -> Answer:
    params = {name: torch_module.tensor(array).requires_grad_() for name, array in named(ours, weights).items()}
    given = {name: torch_module.tensor(array) for name, array in named(ours, batch).items()}
    result = interpreter(trace(ours), Double())(params, given)
    if isinstance(result, tuple):  # what a backward pass that starts from cotangents differentiates
        result = sum((y * given[f"cotangent{i}"]).sum() for i, y in enumerate(result))
    return torch_module.answer(result, params)
