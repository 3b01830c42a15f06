"""Arrays of several types: multiplies in bf16 over float32 arrays, as torch's users train, and what is kept wide."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def autocast(function: Callable[..., Tensor], device: torch.device) -> Callable[..., Tensor]:
    """The function under torch's own policy of what is computed in bf16; its backward pass is called outside of it."""

    def call(*arguments: object) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16):
            return function(*arguments)

    return call


def narrow(array: Tensor) -> Tensor:
    """The array in bf16, if its elements are numbers that are rounded."""
    return array.to(torch.bfloat16) if array.is_floating_point() else array


def wide(array: Tensor) -> Tensor:
    """The array in float32 at least."""
    return array if array.dtype == torch.float64 else array.float()
