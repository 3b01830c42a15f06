"""The phase `update`: one step of torch's own optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from harness.workload.optimizer import BETA1, BETA2, EPSILON, RATES

from ..base import Executed, Program
from .counting import CountDispatched


class Update:
    """Steps copies of the parameters, so that the other phases keep theirs."""

    def __init__(self, optimizer: str, program: Program) -> None:
        self._kind = optimizer
        self._program = program
        self._copies: dict[str, Tensor] = {}
        self._optimizer: Any = None

    def __call__(self, pair: tuple[Tensor, Mapping[str, Tensor]]) -> dict[str, Tensor]:
        if self._optimizer is None:
            self._start(pair[1])
        for name, parameter in self._copies.items():
            parameter.grad = pair[1][name]
        self._optimizer.step()
        return self._copies

    def _start(self, gradients: Mapping[str, Tensor]) -> None:
        for name, parameter in self._program.parameters().items():
            # In the memory layout of its gradient: the fused kernels walk through both without looking at strides.
            self._copies[name] = torch.empty_like(gradients[name]).copy_(parameter).requires_grad_()
        # Fused: one kernel for all parameters, the quickest that torch has.
        if self._kind == "sgd":
            self._optimizer = torch.optim.SGD(self._copies.values(), RATES["sgd"], fused=True)
        else:
            betas = BETA1, BETA2
            self._optimizer = torch.optim.Adam(self._copies.values(), RATES["adam"], betas, EPSILON, fused=True)

    def executed(self) -> Executed:
        pair = self._program.gradient()
        with CountDispatched() as count:
            self(pair)
        return count.tally.executed()
