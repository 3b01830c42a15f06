"""One replica's part of a workload, in a process of its own, under DistributedDataParallel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from .eager import Eager

_RECORDED = {
    "reduction": "backward_comm_time",
    "overlap": "backward_compute_comm_overlap_time",
    "compute": "backward_compute_time",
}


class _Module(nn.Module):
    """A loss of parameters that DistributedDataParallel can find."""

    def __init__(self, parameters: Mapping[str, nn.Parameter], loss: Callable[[], Tensor]) -> None:
        super().__init__()
        self.trained = nn.ParameterList(parameters.values())
        self._loss = loss

    def forward(self) -> Tensor:
        return self._loss()


class Replica(Eager):
    """Gradients arrive in `.grad`, for only then does DistributedDataParallel reduce them, while others are computed.

    It wants a backward pass after each forward pass. Made once the process has met the others, of what `Eager` takes.
    """

    repeatable = False

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        parameters = {name: nn.Parameter(tensor.detach()) for name, tensor in self._sources.items()}
        self._sources, self._params = {**parameters}, self._params | parameters
        self._wanted = tuple(self._sources.values())
        module = _Module(parameters, lambda: self._loss(self._params, self._inputs))
        self._parallel = DistributedDataParallel(module)

    def forward(self) -> tuple[Any, Any]:
        result = self._parallel()
        return result.detach(), result

    def backward(self, kept: tuple[Any, Any]) -> dict[str, Tensor]:
        for parameter in self._wanted:
            parameter.grad = None
        kept[1].backward()
        return {name: parameter.grad for name, parameter in self._sources.items() if parameter.grad is not None}

    def forward_local(self) -> tuple[Any, Any]:
        with self._parallel.no_sync():
            return self.forward()

    def backward_local(self, kept: tuple[Any, Any]) -> dict[str, Tensor]:
        return self.backward(kept)

    def spoil(self, result: Any) -> None:
        """Fill a loss and gradients with NaN."""
        loss, gradients = result
        for tensor in (loss, *gradients.values()):
            tensor.fill_(torch.nan)

    def record_every_pass(self) -> None:
        """Have DistributedDataParallel look at every backward pass, not at one in a hundred."""
        self._parallel._set_ddp_runtime_logging_sample_rate(1)

    def recorded(self) -> dict[str, float]:
        """What it noted of the last backward pass, which it does in the forward pass after that."""
        noted = self._parallel._get_ddp_logging_data()
        return {name: noted[key] * 1e-9 for name, key in _RECORDED.items()}
