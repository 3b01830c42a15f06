"""Llama-style decoder (Touvron et al. 2023): RMS norm, rotary positions, SwiGLU, grouped keys and values, no biases."""

from __future__ import annotations

from dataclasses import dataclass

from .. import draw
from ..draw import Draw
from ..spec import WorkloadError
from ..trace import Ops, Param, Value
from .layers.lora import adapted, frozen_unless
from .layers.sizes import newer
from .layers.transformer import STD, check_heads

EPS = 1e-5
BASE = 10_000


@dataclass(frozen=True)
class Llama:
    """A language model; the defaults are TinyLlama's sizes (Zhang et al. 2024), 1,100,048,384 parameters.

    Rotary embedding turns the two halves of a head against each other, as in `transformers`; the authors' code turns
    neighbours, which is the same with other columns of the weights. Cosines and sines are data in float32. With
    `lora`, only matrices of that rank beside each linear layer of a block are trained.
    """

    batch: int = 1
    tokens: int = 2048
    layers: int = 22
    width: int = 2048
    heads: int = 32
    kv_heads: int = 4
    hidden: int = 5632
    vocabulary: int = 32000
    lora: int | None = newer(None)

    def __post_init__(self) -> None:
        check_heads("llama", self.heads, self.width)
        if self.heads % self.kv_heads:
            raise WorkloadError(f"llama: model.kv_heads={self.kv_heads} does not divide model.heads={self.heads}")
        if self.width // self.heads % 2:
            raise WorkloadError(f"llama: model.heads={self.heads} leaves heads of an odd width, which cannot be turned")

    def batch_arrays(self) -> dict[str, Draw]:
        cosines, sines = draw.rotation(self.tokens, self.width // self.heads // 2, base=BASE)
        return {
            "ids": draw.integers(self.batch, self.tokens, high=self.vocabulary),
            "cosines": cosines,
            "sines": sines,
            "labels": draw.integers(self.batch, self.tokens, high=self.vocabulary),
        }

    def loss(self, ops: Ops, param: Param, ids: Value, cosines: Value, sines: Value, labels: Value) -> Value:
        param = frozen_unless(self.lora, param)
        x = ops.embedding(param("token_table", draw.normal(self.vocabulary, self.width, std=STD)), ids)
        for i in range(1, self.layers + 1):
            with ops.block(f"block{i}"):
                x = self.block(ops, param, f"block{i}", x, cosines, sines)
        return ops.cross_entropy(matrix(ops, param, "head", rms(ops, param, "final", x), self.vocabulary), labels)

    def block(self, ops: Ops, param: Param, name: str, x: Value, cosines: Value, sines: Value) -> Value:
        h = rms(ops, param, f"{name}.norm1", x)
        shared = self.width // self.heads * self.kv_heads
        widths = {"q": self.width, "k": shared, "v": shared}
        q, k, v = (matrix(ops, param, f"{name}.{part}", h, width, self.lora) for part, width in widths.items())
        q = ops.rotary(q, cosines, sines, heads=self.heads)
        k = ops.rotary(k, cosines, sines, heads=self.kv_heads)
        h = ops.attention(q, k, v, heads=self.heads, kv_heads=self.kv_heads, causal=True)
        x = ops.add(x, matrix(ops, param, f"{name}.project", h, self.width, self.lora))
        h = rms(ops, param, f"{name}.norm2", x)
        gate = ops.silu(matrix(ops, param, f"{name}.gate", h, self.hidden, self.lora))
        h = ops.multiply(gate, matrix(ops, param, f"{name}.expand", h, self.hidden, self.lora))
        return ops.add(x, matrix(ops, param, f"{name}.contract", h, self.width, self.lora))


def matrix(ops: Ops, param: Param, name: str, x: Value, width: int, lora: int | None = None) -> Value:
    """A linear layer without bias, perhaps with matrices of rank `lora` beside it."""
    y = ops.linear(x, param(f"{name}.w", draw.normal(x.shape[-1], width, std=STD)))
    return adapted(ops, param, name, x, y, lora)


def rms(ops: Ops, param: Param, name: str, x: Value) -> Value:
    """RMS norm with its own scale."""
    return ops.rms_norm(x, param(f"{name}.scale", draw.scale(x.shape[-1])), eps=EPS)
