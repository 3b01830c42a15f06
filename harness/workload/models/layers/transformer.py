"""What transformers have in common: linear layers, norms, and a block of attention and a feed-forward network."""

from __future__ import annotations

from ... import draw
from ...spec import WorkloadError
from ...trace import Ops, Param, Value
from .lora import adapted

STD = 0.02


def check_heads(model: str, heads: int, width: int) -> None:
    """Raise WorkloadError unless heads of a whole width make up `width`."""
    if width % heads:
        raise WorkloadError(f"{model}: model.heads={heads} does not divide model.width={width}")


def dense(ops: Ops, param: Param, name: str, x: Value, width: int, lora: int | None = None) -> Value:
    """A linear layer with bias, perhaps with matrices of rank `lora` beside it."""
    weight = param(f"{name}.w", draw.normal(x.shape[-1], width, std=STD))
    y = ops.linear(x, weight, param(f"{name}.b", draw.bias(width)))
    return adapted(ops, param, name, x, y, lora)


def norm(ops: Ops, param: Param, name: str, x: Value, eps: float) -> Value:
    """Layer norm with its own scale and shift."""
    n = x.shape[-1]
    return ops.layer_norm(x, param(f"{name}.scale", draw.scale(n)), param(f"{name}.shift", draw.bias(n)), eps=eps)


def pre_norm_block(
    ops: Ops,
    param: Param,
    name: str,
    x: Value,
    heads: int,
    *,
    causal: bool,
    eps: float,
    approximate: bool,
    lora: int | None = None,
) -> Value:
    """x + attention(norm(x)), then x + ffn(norm(x)), four times as wide inside (Radford et al. 2019)."""
    width = x.shape[-1]
    h = norm(ops, param, f"{name}.norm1", x, eps)
    q, k, v = ops.split(dense(ops, param, f"{name}.qkv", h, 3 * width, lora), parts=3)
    h = ops.attention(q, k, v, heads=heads, causal=causal)
    x = ops.add(x, dense(ops, param, f"{name}.project", h, width, lora))
    h = dense(ops, param, f"{name}.expand", norm(ops, param, f"{name}.norm2", x, eps), 4 * width, lora)
    return ops.add(x, dense(ops, param, f"{name}.contract", ops.gelu(h, approximate=approximate), width, lora))
