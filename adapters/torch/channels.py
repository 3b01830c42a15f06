"""The channels of an image [N, C, H, W] moved to where most ops want them, and back."""

from __future__ import annotations

from torch import Tensor


def last(x: Tensor) -> Tensor:
    """A view with the channels last, where the array is an image."""
    return x.permute(0, 2, 3, 1) if x.dim() == 4 else x


def first(x: Tensor) -> Tensor:
    """The inverse of `last`."""
    return x.permute(0, 3, 1, 2) if x.dim() == 4 else x
