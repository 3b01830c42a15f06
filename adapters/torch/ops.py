"""The op catalogue in torch's own functions: what a good torch user would write.

An image is [N, C, H, W] here, so every op that touches the last canonical axis finds it as axis 1 of a rank-4 array.
A linear weight is [out, in] and a convolution weight [out, in / groups, kh, kw]; `layout.py` stores them so.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .channels import first, last
from .images import *  # noqa: F403  (part of the catalogue, as are the other families)
from .mixed import wide
from .norms import *  # noqa: F403
from .recurrent import *  # noqa: F403
from .sequence import *  # noqa: F403


def linear(x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    return first(F.linear(last(x), w, b))


def tied_linear(x: Tensor, table: Tensor) -> Tensor:
    return first(F.linear(last(x), table))


def relu(x: Tensor) -> Tensor:
    return F.relu(x)


def gelu(x: Tensor, *, approximate: bool = True) -> Tensor:
    return F.gelu(x, approximate="tanh" if approximate else "none")


def add(a: Tensor, b: Tensor) -> Tensor:
    if a.dim() == b.dim():
        return a + b
    return first(last(a) + last(b))


def embedding(table: Tensor, ids: Tensor) -> Tensor:
    return first(F.embedding(ids, table))


def split(x: Tensor, *, parts: int) -> tuple[Tensor, ...]:
    return x.chunk(parts, 1 if x.dim() == 4 else -1)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    if logits.dim() != 4:
        logits, labels = logits.flatten(0, -2), labels.flatten()
    # In float32 at least, as mixed-precision training does.
    return F.cross_entropy(wide(logits), labels)


def sigmoid(x: Tensor) -> Tensor:
    return x.sigmoid()


def tanh(x: Tensor) -> Tensor:
    return x.tanh()


def silu(x: Tensor) -> Tensor:
    return F.silu(x)


def relu6(x: Tensor) -> Tensor:
    return F.relu6(x)


def leaky_relu(x: Tensor, *, slope: float) -> Tensor:
    return F.leaky_relu(x, slope)


def hard_swish(x: Tensor) -> Tensor:
    return F.hardswish(x)


def concatenate(*arrays: Tensor, axis: int) -> Tensor:
    return torch.cat(arrays, (0, 2, 3, 1)[axis] if arrays[0].dim() == 4 else axis)


def flatten(x: Tensor) -> Tensor:
    # In canonical order, so that the next weight is the same for all: a copy, unless the image is channels_last.
    return last(x).flatten(1)


def mse(a: Tensor, b: Tensor) -> Tensor:
    return F.mse_loss(wide(a), wide(b))


def multiply(a: Tensor, b: Tensor) -> Tensor:
    if a.dim() == b.dim():
        return a * b
    return first(last(a) * last(b))


def dropout(x: Tensor, mask: Tensor, *, rate: float) -> Tensor:
    return x * mask * (1 / (1 - rate))
