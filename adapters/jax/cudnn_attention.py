"""Attention in cuDNN's fused kernel, through jax's own function for it."""

from __future__ import annotations

import jax
from jax import Array

IMPLEMENTATION = "cudnn"


def attention(
    q: Array,
    k: Array,
    v: Array,
    mask: Array | None = None,
    *,
    heads: int,
    causal: bool,
    kv_heads: int | None = None,
) -> Array:
    """The catalogue's `attention` in cuDNN's kernel; `mask` says which keys count, or is a bias of the scores."""
    q_heads, k_heads, v_heads = (
        x.reshape(*x.shape[:-1], count, -1) for x, count in ((q, heads), (k, kv_heads or heads), (v, kv_heads or heads))
    )
    keys = mask is not None and mask.ndim == 2
    return jax.nn.dot_product_attention(
        q_heads,
        k_heads,
        v_heads,
        bias=None if mask is None or keys else mask[None],
        mask=mask[:, None, None] if mask is not None and keys else None,
        is_causal=causal,
        implementation=IMPLEMENTATION,
    ).reshape(q.shape)
