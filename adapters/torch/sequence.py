"""Ops on sequences [batch, tokens, width] in torch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def image_tokens(x: Tensor) -> Tensor:
    return x.flatten(2).transpose(1, 2)


def transpose_tokens(x: Tensor) -> Tensor:
    return x.transpose(1, 2)


def mean_tokens(x: Tensor) -> Tensor:
    return x.mean(1)


def class_token(x: Tensor, token: Tensor) -> Tensor:
    return torch.cat((token.expand(x.shape[0], 1, -1), x), 1)


def first_token(x: Tensor) -> Tensor:
    return x[:, 0]


def rotary(x: Tensor, cosines: Tensor, sines: Tensor, *, heads: int) -> Tensor:
    batch, tokens, width = x.shape
    first, second = x.view(batch, tokens, heads, width // heads).chunk(2, -1)
    cosines, sines = cosines.unsqueeze(1), sines.unsqueeze(1)
    return torch.cat((first * cosines - second * sines, second * cosines + first * sines), -1).view(x.shape)


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    *,
    heads: int,
    causal: bool,
    kv_heads: int | None = None,
) -> Tensor:
    groups = kv_heads or heads
    batch, positions, width = q.shape
    q = q.view(batch, positions, heads, -1).transpose(1, 2)
    k, v = (x.view(batch, positions, groups, -1).transpose(1, 2) for x in (k, v))
    if mask is not None and mask.dim() == 2:
        mask = mask.view(batch, 1, 1, positions)
    y = F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal, enable_gqa=groups != heads)
    return y.transpose(1, 2).reshape(batch, positions, width)


def dot_interaction(*vectors: Tensor) -> Tensor:
    x = torch.stack(vectors, 1)
    rows, columns = torch.tril_indices(len(vectors), len(vectors), -1, device=x.device)
    return torch.cat((vectors[0], torch.bmm(x, x.transpose(1, 2))[:, rows, columns]), 1)


def unstack_tokens(x: Tensor) -> tuple[Tensor, ...]:
    return x.unbind(1)


def stack_tokens(*tokens: Tensor) -> Tensor:
    return torch.stack(tokens, 1)
