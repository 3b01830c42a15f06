"""Attention alone: queries, keys and values are the parameters."""

from __future__ import annotations

from dataclasses import dataclass

from .. import draw
from ..draw import Draw
from ..spec import WorkloadError
from ..trace import Ops, Param, Value
from .layers.transformer import check_heads


@dataclass(frozen=True)
class Attention:
    """One attention, and the mean square of its distance from a target."""

    batch: int = 8
    tokens: int = 512
    width: int = 512
    heads: int = 8
    kv_heads: int | None = None
    causal: bool = True

    def __post_init__(self) -> None:
        check_heads("attention", self.heads, self.width)
        if self.heads % (self.kv_heads or self.heads):
            raise WorkloadError(f"attention: model.kv_heads={self.kv_heads} does not divide model.heads={self.heads}")

    def batch_arrays(self) -> dict[str, Draw]:
        return {"target": draw.normal(self.batch, self.tokens, self.width)}

    def loss(self, ops: Ops, param: Param, target: Value) -> Value:
        shared = self.width // self.heads * (self.kv_heads or self.heads)
        widths = {"q": self.width, "k": shared, "v": shared}
        q, k, v = (param(name, draw.normal(self.batch, self.tokens, width)) for name, width in widths.items())
        y = ops.attention(q, k, v, heads=self.heads, kv_heads=self.kv_heads, causal=self.causal)
        return ops.mse(y, target)
