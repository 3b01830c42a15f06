"""Ops on sequences [batch, tokens, width] in torch."""

from __future__ import annotations

import math

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
    q, k, v = _heads(q, heads), _heads(k, groups), _heads(v, groups)
    if mask is not None:
        mask = _over_scores(mask)
    return _merge(F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal, enable_gqa=groups != heads))


def unfused_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    *,
    heads: int,
    causal: bool,
    kv_heads: int | None = None,
) -> Tensor:
    """Attention as separate multiplies, as it is written where there is no fused kernel."""
    groups = kv_heads or heads
    q, k, v = _heads(q, heads), _heads(k, groups), _heads(v, groups)
    batch, _, positions, d = q.shape
    # The queries of all heads that share keys are rows of one multiply: nothing is repeated.
    rows = (q / math.sqrt(d)).reshape(batch, groups, -1, d)
    scores = (rows @ k.transpose(-2, -1)).view(batch, heads, positions, positions)
    if causal:
        future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        scores = scores.masked_fill(future, float("-inf"))
    elif mask is not None and mask.dtype == torch.bool:
        scores = scores.masked_fill(~_over_scores(mask), float("-inf"))
    elif mask is not None:
        scores = scores + mask
    weights = F.softmax(scores, -1).view(batch, groups, -1, positions)
    return _merge((weights @ v).view(batch, heads, positions, d))


def _heads(x: Tensor, heads: int) -> Tensor:
    """[batch, positions, heads * d] as [batch, heads, positions, d]."""
    batch, positions, _ = x.shape
    return x.view(batch, positions, heads, -1).transpose(1, 2)


def _merge(x: Tensor) -> Tensor:
    """The inverse of `_heads`."""
    return x.transpose(1, 2).flatten(2)


def _over_scores(mask: Tensor) -> Tensor:
    """A mask of keys [batch, positions] as one of scores; a bias as it is."""
    return mask[:, None, None] if mask.dim() == 2 else mask


def dot_interaction(*vectors: Tensor) -> Tensor:
    x = torch.stack(vectors, 1)
    rows, columns = torch.tril_indices(len(vectors), len(vectors), -1, device=x.device)
    return torch.cat((vectors[0], torch.bmm(x, x.transpose(1, 2))[:, rows, columns]), 1)


def unstack_tokens(x: Tensor) -> tuple[Tensor, ...]:
    return x.unbind(1)


def stack_tokens(*tokens: Tensor) -> Tensor:
    return torch.stack(tokens, 1)
