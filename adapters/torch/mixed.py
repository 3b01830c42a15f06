"""Multiplies in bf16 over float32 arrays, as torch's users train: autocast around the loss, backward outside of it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def autocast(function: Callable[..., Tensor], device: torch.device) -> Callable[..., Tensor]:
    """The function under torch's own policy of what is computed in bf16."""

    def call(*arguments: object) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16):
            return function(*arguments)

    return call


def narrow(array: Tensor) -> Tensor:
    """The array in bf16, if its elements are numbers that are rounded."""
    return array.to(torch.bfloat16) if array.is_floating_point() else array
