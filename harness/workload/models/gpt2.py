"""GPT-2 (Radford et al. 2019): pre-norm transformer decoder with learned positions and tied embeddings."""

from __future__ import annotations

from dataclasses import dataclass

from .. import draw
from ..ops import WorkloadError

EPS = 1e-5
STD = 0.02


@dataclass(frozen=True)
class GPT2:
    """A language model; the published small size (12, 768, 12) has 124,439,808 parameters.

    `tokens` is the length of each sequence, `context` the number of learned positions. Dropout is off.
    """

    batch: int = 8
    tokens: int = 1024
    layers: int = 12
    width: int = 768
    heads: int = 12
    vocabulary: int = 50257
    context: int = 1024

    def __post_init__(self):
        if self.width % self.heads:
            raise WorkloadError(f"gpt2: model.heads={self.heads} does not divide model.width={self.width}")
        if self.tokens > self.context:
            raise WorkloadError(f"gpt2: model.tokens={self.tokens} is more than model.context={self.context}")

    def batch_arrays(self):
        return {
            "ids": draw.integers(self.batch, self.tokens, high=self.vocabulary),
            "positions": draw.positions(self.tokens),
            "labels": draw.integers(self.batch, self.tokens, high=self.vocabulary),
        }

    def loss(self, ops, param, ids, positions, labels):
        table = param("token_table", draw.normal(self.vocabulary, self.width, std=STD))
        places = param("position_table", draw.normal(self.context, self.width, std=STD))
        x = ops.add(ops.embedding(table, ids), ops.embedding(places, positions))
        for i in range(1, self.layers + 1):
            with ops.block(f"block{i}"):
                x = self.block(ops, param, f"block{i}", x)
        return ops.cross_entropy(ops.tied_linear(norm(ops, param, "final", x), table), labels)

    def block(self, ops, param, name, x):
        q, k, v = ops.split(
            dense(ops, param, f"{name}.qkv", norm(ops, param, f"{name}.norm1", x), 3 * self.width), parts=3
        )
        h = ops.attention(q, k, v, heads=self.heads, causal=True)
        x = ops.add(x, dense(ops, param, f"{name}.project", h, self.width))
        h = ops.gelu(dense(ops, param, f"{name}.expand", norm(ops, param, f"{name}.norm2", x), 4 * self.width))
        return ops.add(x, dense(ops, param, f"{name}.contract", h, self.width))


def dense(ops, param, name, x, width):
    """A linear layer with bias."""
    weight = param(f"{name}.w", draw.normal(x.shape[-1], width, std=STD))
    return ops.linear(x, weight, param(f"{name}.b", draw.bias(width)))


def norm(ops, param, name, x):
    """Layer norm with its own scale and shift."""
    n = x.shape[-1]
    return ops.layer_norm(x, param(f"{name}.scale", draw.scale(n)), param(f"{name}.shift", draw.bias(n)), eps=EPS)
