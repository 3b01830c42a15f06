"""The phase `update`: one step of torch's own optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from harness.workload.optimizer import BETA1, BETA2, EPSILON, RATES

from ..base import Executed
from .counting import CountDispatched


class Update:
    """Steps copies of the parameters, so that the other phases keep theirs. A call takes what `gradient` returned."""

    def __init__(self, optimizer: str, parameters: Mapping[str, Tensor]) -> None:
        self._copies = {name: tensor.detach().clone().requires_grad_() for name, tensor in parameters.items()}
        # Fused: one kernel for all parameters, the quickest that torch has.
        if optimizer == "sgd":
            self._optimizer: Any = torch.optim.SGD(self._copies.values(), RATES["sgd"], fused=True)
        else:
            self._optimizer = torch.optim.Adam(
                self._copies.values(), RATES["adam"], (BETA1, BETA2), EPSILON, fused=True
            )

    def __call__(self, pair: tuple[Tensor, Mapping[str, Tensor]]) -> dict[str, Tensor]:
        for name, parameter in self._copies.items():
            parameter.grad = pair[1][name]
        self._optimizer.step()
        return self._copies

    def executed(self, pair: tuple[Tensor, Mapping[str, Tensor]]) -> Executed:
        with CountDispatched() as count:
            self(pair)
        return count.tally.executed()
