"""Ops on images [N, C, H, W] in torch: convolutions, pools, upsampling."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def conv2d(
    x: Tensor, w: Tensor, b: Tensor | None = None, *, stride: int = 1, padding: int = 0, groups: int = 1
) -> Tensor:
    return F.conv2d(x, w, b, stride, padding, 1, groups)


def conv_transpose2d(x: Tensor, w: Tensor, b: Tensor | None = None, *, stride: int) -> Tensor:
    return F.conv_transpose2d(x, w, b, stride)


def max_pool(x: Tensor, *, size: int, stride: int, padding: int = 0) -> Tensor:
    return F.max_pool2d(x, size, stride, padding)


def avg_pool(x: Tensor, *, size: int, stride: int) -> Tensor:
    return F.avg_pool2d(x, size, stride)


def global_avg_pool(x: Tensor) -> Tensor:
    return x.mean((2, 3))


def upsample(x: Tensor, *, factor: int) -> Tensor:
    return F.interpolate(x, scale_factor=factor, mode="nearest")
