"""The catalogue's array primitives in torch: what hand-written backprop is composed of.

Shapes are canonical (images [N, H, W, C], weights [kh, kw, in, out]); in memory arrays may lie as torch wants them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, erf, exp, matmul, reshape, rsqrt, tanh, where  # noqa: F401  (part of the primitives)

aten = torch.ops.aten

_FIRST, _LAST = (0, 3, 1, 2), (0, 2, 3, 1)  # channels of an image
_TORCH_WEIGHT, _CANONICAL_WEIGHT = (3, 2, 0, 1), (2, 3, 1, 0)


def broadcast_to(x: Tensor, shape: Sequence[int]) -> Tensor:
    return x.expand(*shape)


def maximum(x: Tensor, bound: Tensor | float) -> Tensor:
    return x.clamp_min(bound)


def minimum(x: Tensor, bound: float) -> Tensor:
    return x.clamp_max(bound)


def mean(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    return x.mean() if axis is None else x.mean(axis, keepdim=keepdims)


def sum(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    return x.sum() if axis is None else x.sum(axis, keepdim=keepdims)


def transpose(x: Tensor, axes: Sequence[int]) -> Tensor:
    return x.permute(*axes)


def zeros(shape: Sequence[int], like: Tensor) -> Tensor:
    return torch.zeros(*shape, dtype=like.dtype, device=like.device)


def step(x: Tensor) -> Tensor:
    return (x > 0).to(x.dtype)


def take(table: Tensor, ids: Tensor) -> Tensor:
    return F.embedding(ids, table)


def scatter_add(shape: Sequence[int], ids: Tensor, values: Tensor) -> Tensor:
    return aten.embedding_dense_backward(values, ids, shape[0], -1, False)


def pick(x: Tensor, ids: Tensor) -> Tensor:
    return x.gather(-1, ids.unsqueeze(-1)).squeeze(-1)


def one_hot(ids: Tensor, n: int, like: Tensor) -> Tensor:
    return F.one_hot(ids, n).to(like.dtype)


def split(x: Tensor, parts: int) -> tuple[Tensor, ...]:
    return x.chunk(parts, -1)


def concatenate(parts: Sequence[Tensor], axis: int = -1) -> Tensor:
    return torch.cat(tuple(parts), axis)


def stack(parts: Sequence[Tensor], axis: int) -> Tensor:
    return torch.stack(tuple(parts), axis)


def below_diagonal(x: Tensor) -> Tensor:
    rows, columns = torch.tril_indices(*x.shape[-2:], -1, device=x.device)
    return x[..., rows, columns]


def from_below_diagonal(values: Tensor, n: int) -> Tensor:
    rows, columns = torch.tril_indices(n, n, -1, device=values.device)
    out = values.new_zeros(*values.shape[:-1], n, n)
    out[..., rows, columns] = values
    return out


def log_softmax(x: Tensor) -> Tensor:
    return F.log_softmax(x, -1)


def softmax(x: Tensor) -> Tensor:
    return F.softmax(x, -1)


def causal(scores: Tensor) -> Tensor:
    future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
    return scores.masked_fill(future, float("-inf"))


def conv2d(x: Tensor, w: Tensor, stride: int, padding: int, groups: int) -> Tensor:
    y = F.conv2d(x.permute(_FIRST), w.permute(_TORCH_WEIGHT), None, stride, padding, 1, groups)
    return y.permute(_LAST)


def conv2d_dx(grad: Tensor, w: Tensor, x_shape: Sequence[int], stride: int, padding: int, groups: int) -> Tensor:
    n, height, width, channels = x_shape
    shape, weight = (n, channels, height, width), w.permute(_TORCH_WEIGHT)
    dx = torch.nn.grad.conv2d_input(shape, weight, grad.permute(_FIRST), stride, padding, 1, groups)
    return dx.permute(_LAST)


def conv2d_dw(grad: Tensor, x: Tensor, w_shape: Sequence[int], stride: int, padding: int, groups: int) -> Tensor:
    kh, kw, channels, out = w_shape
    image, gradient = x.permute(_FIRST), grad.permute(_FIRST)
    dw = torch.nn.grad.conv2d_weight(image, (out, channels, kh, kw), gradient, stride, padding, 1, groups)
    return dw.permute(_CANONICAL_WEIGHT)


def max_pool2d(x: Tensor, size: int, stride: int, padding: int) -> Tensor:
    return F.max_pool2d(x.permute(_FIRST), size, stride, padding).permute(_LAST)


def max_pool2d_dx(grad: Tensor, x: Tensor, y: Tensor, size: int, stride: int, padding: int) -> Tensor:
    image, sizes = x.permute(_FIRST), ([size] * 2, [stride] * 2, [padding] * 2, [1, 1], False)
    # torch's rule wants the winners' positions, which the forward pass did not keep.
    _, winners = aten.max_pool2d_with_indices(image, *sizes)
    return aten.max_pool2d_with_indices_backward(grad.permute(_FIRST), image, *sizes, winners).permute(_LAST)


def avg_pool2d(x: Tensor, size: int, stride: int) -> Tensor:
    return F.avg_pool2d(x.permute(_FIRST), size, stride).permute(_LAST)


def avg_pool2d_dx(grad: Tensor, x_shape: Sequence[int], size: int, stride: int) -> Tensor:
    # torch's rule takes the image, of which it uses the shape alone: one element stands for all.
    n, height, width, channels = x_shape
    image = grad.new_empty(()).expand(n, channels, height, width)
    dx = aten.avg_pool2d_backward(grad.permute(_FIRST), image, [size] * 2, [stride] * 2, [0, 0], False, True, None)
    return dx.permute(_LAST)
