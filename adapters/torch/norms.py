"""Norms in torch, of images [N, C, H, W] and of arrays whose channels are the last axis."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .channels import first, last


def batch_norm(x: Tensor, scale: Tensor, shift: Tensor, *, eps: float) -> Tensor:
    if x.dim() == 3:
        # torch takes axis 1 for the channels; here they are the last.
        return batch_norm(x.flatten(0, 1), scale, shift, eps=eps).view_as(x)
    return F.batch_norm(x, None, None, scale, shift, training=True, eps=eps)


def batch_norm_inference(
    x: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, variance: Tensor, *, eps: float
) -> Tensor:
    if x.dim() == 3:
        return batch_norm_inference(x.flatten(0, 1), scale, shift, mean, variance, eps=eps).view_as(x)
    return F.batch_norm(x, mean, variance, scale, shift, training=False, eps=eps)


def layer_norm(x: Tensor, scale: Tensor, shift: Tensor, *, eps: float) -> Tensor:
    return first(F.layer_norm(last(x), scale.shape, scale, shift, eps))


def rms_norm(x: Tensor, scale: Tensor, *, eps: float) -> Tensor:
    return first(F.rms_norm(last(x), scale.shape, scale, eps))


def group_norm(x: Tensor, scale: Tensor, shift: Tensor, *, groups: int, eps: float) -> Tensor:
    return F.group_norm(x, groups, scale, shift, eps)
