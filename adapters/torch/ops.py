"""The op catalogue in torch's own functions: what a good torch user would write.

An image is [N, C, H, W] here, so every op that touches the last canonical axis finds it as axis 1 of a rank-4 array.
A linear weight is [out, in] and a convolution weight [out, in / groups, kh, kw]; `layout.py` stores them so.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


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


def attention(q: Tensor, k: Tensor, v: Tensor, *, heads: int, causal: bool) -> Tensor:
    q, k, v = (_heads(x, heads) for x in (q, k, v))
    return _merge(F.scaled_dot_product_attention(q, k, v, is_causal=causal))


def unfused_attention(q: Tensor, k: Tensor, v: Tensor, *, heads: int, causal: bool) -> Tensor:
    """The same as separate multiplies, as it is written where there is no fused kernel."""
    q, k, v = (_heads(x, heads) for x in (q, k, v))
    scores = (q / math.sqrt(q.shape[-1])) @ k.transpose(-2, -1)
    if causal:
        future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        scores = scores.masked_fill(future, float("-inf"))
    return _merge(F.softmax(scores, -1) @ v)


def _heads(x: Tensor, heads: int) -> Tensor:
    """[batch, positions, heads * d] as [batch, heads, positions, d]."""
    batch, positions, width = x.shape
    return x.view(batch, positions, heads, width // heads).transpose(1, 2)


def _merge(x: Tensor) -> Tensor:
    """The inverse of `_heads`."""
    return x.transpose(1, 2).flatten(2)


def relu(x: Tensor) -> Tensor:
    return F.relu(x)


def gelu(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")


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
