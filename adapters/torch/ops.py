"""The op catalogue in torch's own functions: what a good torch user would write.

An image is [N, C, H, W] here, so every op that touches the last canonical axis finds it as axis 1 of a rank-4 array.
A linear weight is [out, in] and a convolution weight [out, in / groups, kh, kw]; `layout.py` stores them so.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .recurrent import gru, gru_cell, lstm, lstm_cell  # noqa: F401  (part of the catalogue)
from .sequence import (  # noqa: F401
    attention,
    class_token,
    dot_interaction,
    first_token,
    image_tokens,
    mean_tokens,
    rotary,
    stack_tokens,
    transpose_tokens,
    unfused_attention,
    unstack_tokens,
)


def _last(x: Tensor) -> Tensor:
    """A view with the channels last, where the array is an image."""
    return x.permute(0, 2, 3, 1) if x.dim() == 4 else x


def _first(x: Tensor) -> Tensor:
    """The inverse of `_last`."""
    return x.permute(0, 3, 1, 2) if x.dim() == 4 else x


def linear(x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    return _first(F.linear(_last(x), w, b))


def tied_linear(x: Tensor, table: Tensor) -> Tensor:
    return _first(F.linear(_last(x), table))


def conv2d(
    x: Tensor, w: Tensor, b: Tensor | None = None, *, stride: int = 1, padding: int = 0, groups: int = 1
) -> Tensor:
    return F.conv2d(x, w, b, stride, padding, 1, groups)


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
    return _first(F.layer_norm(_last(x), scale.shape, scale, shift, eps))


def relu(x: Tensor) -> Tensor:
    return F.relu(x)


def gelu(x: Tensor, *, approximate: bool = True) -> Tensor:
    return F.gelu(x, approximate="tanh" if approximate else "none")


def add(a: Tensor, b: Tensor) -> Tensor:
    if a.dim() == b.dim():
        return a + b
    return _first(_last(a) + _last(b))


def max_pool(x: Tensor, *, size: int, stride: int, padding: int = 0) -> Tensor:
    return F.max_pool2d(x, size, stride, padding)


def global_avg_pool(x: Tensor) -> Tensor:
    return x.mean((2, 3))


def embedding(table: Tensor, ids: Tensor) -> Tensor:
    return _first(F.embedding(ids, table))


def split(x: Tensor, *, parts: int) -> tuple[Tensor, ...]:
    return x.chunk(parts, 1 if x.dim() == 4 else -1)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    if logits.dim() != 4:
        logits, labels = logits.flatten(0, -2), labels.flatten()
    # In float32 whatever the precision, as mixed-precision training does.
    return F.cross_entropy(logits.float(), labels)


def rms_norm(x: Tensor, scale: Tensor, *, eps: float) -> Tensor:
    return _first(F.rms_norm(_last(x), scale.shape, scale, eps))


def sigmoid(x: Tensor) -> Tensor:
    return x.sigmoid()


def tanh(x: Tensor) -> Tensor:
    return x.tanh()


def silu(x: Tensor) -> Tensor:
    return F.silu(x)


def conv_transpose2d(x: Tensor, w: Tensor, b: Tensor | None = None, *, stride: int) -> Tensor:
    return F.conv_transpose2d(x, w, b, stride)


def group_norm(x: Tensor, scale: Tensor, shift: Tensor, *, groups: int, eps: float) -> Tensor:
    return F.group_norm(x, groups, scale, shift, eps)


def relu6(x: Tensor) -> Tensor:
    return F.relu6(x)


def leaky_relu(x: Tensor, *, slope: float) -> Tensor:
    return F.leaky_relu(x, slope)


def hard_swish(x: Tensor) -> Tensor:
    return F.hardswish(x)


def avg_pool(x: Tensor, *, size: int, stride: int) -> Tensor:
    return F.avg_pool2d(x, size, stride)


def upsample(x: Tensor, *, factor: int) -> Tensor:
    return F.interpolate(x, scale_factor=factor, mode="nearest")


def concatenate(*arrays: Tensor, axis: int) -> Tensor:
    return torch.cat(arrays, (0, 2, 3, 1)[axis] if arrays[0].dim() == 4 else axis)


def flatten(x: Tensor) -> Tensor:
    # In canonical order, so that the next weight is the same for all: a copy, unless the image is channels_last.
    return _last(x).flatten(1)


def mse(a: Tensor, b: Tensor) -> Tensor:
    return F.mse_loss(a.float(), b.float())


def multiply(a: Tensor, b: Tensor) -> Tensor:
    if a.dim() == b.dim():
        return a * b
    return _first(_last(a) * _last(b))


def dropout(x: Tensor, mask: Tensor, *, rate: float) -> Tensor:
    return x * mask * (1 / (1 - rate))
