"""GPT-2 (Radford et al. 2019): pre-norm transformer decoder with learned positions and tied embeddings."""

from __future__ import annotations

from dataclasses import dataclass

from .. import draw
from ..draw import Draw
from ..spec import WorkloadError
from ..trace import Ops, Param, Value
from .layers.lora import frozen_unless
from .layers.sizes import newer
from .layers.transformer import STD, check_heads, norm, pre_norm_block

EPS = 1e-5


@dataclass(frozen=True)
class GPT2:
    """A language model; the published small size (12, 768, 12) has 124,439,808 parameters.

    `tokens` is the length of each sequence, `context` the number of learned positions. The dropout
    that the published model has after the embeddings, on attention weights and after each half of a block is left out.
    With `lora`, only matrices of that rank beside each linear layer of a block are trained.
    """

    batch: int = 8
    tokens: int = 1024
    layers: int = 12
    width: int = 768
    heads: int = 12
    vocabulary: int = 50257
    context: int = 1024
    lora: int | None = newer(None)

    def __post_init__(self) -> None:
        check_heads("gpt2", self.heads, self.width)
        if self.tokens > self.context:
            raise WorkloadError(f"gpt2: model.tokens={self.tokens} is more than model.context={self.context}")

    def batch_arrays(self) -> dict[str, Draw]:
        return {
            "ids": draw.integers(self.batch, self.tokens, high=self.vocabulary),
            "positions": draw.positions(self.tokens),
            "labels": draw.integers(self.batch, self.tokens, high=self.vocabulary),
        }

    def loss(self, ops: Ops, param: Param, ids: Value, positions: Value, labels: Value) -> Value:
        param = frozen_unless(self.lora, param)
        table = param("token_table", draw.normal(self.vocabulary, self.width, std=STD))
        places = param("position_table", draw.normal(self.context, self.width, std=STD))
        x = ops.add(ops.embedding(table, ids), ops.embedding(places, positions))
        for i in range(1, self.layers + 1):
            with ops.block(f"block{i}"):
                x = pre_norm_block(
                    ops, param, f"block{i}", x, self.heads, causal=True, eps=EPS, approximate=True, lora=self.lora
                )
        return ops.cross_entropy(ops.tied_linear(norm(ops, param, "final", x, EPS), table), labels)
