"""BERT (Devlin et al. 2018): post-norm transformer encoder over padded batches."""

from __future__ import annotations

from dataclasses import dataclass

from .. import draw
from ..draw import Draw
from ..spec import WorkloadError
from ..trace import Ops, Param, Value
from .layers.transformer import STD, check_heads, dense, norm

EPS = 1e-12


@dataclass(frozen=True)
class BERT:
    """Fine-tuning of a classifier of sequences; base has 109,482,240 parameters and the head 769 for each class.

    `context` is the number of learned positions. `dropout` is the rate after the embeddings and after each half of
    a block; the published model also has it on attention weights and before the classifier, where there is none here.
    The gelu is exact, as in `transformers`.
    """

    batch: int = 32
    tokens: int = 128
    layers: int = 12
    width: int = 768
    heads: int = 12
    vocabulary: int = 30522
    context: int = 512
    classes: int = 2
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_heads("bert", self.heads, self.width)
        if self.tokens > self.context:
            raise WorkloadError(f"bert: model.tokens={self.tokens} is more than model.context={self.context}")
        if not 0 <= self.dropout < 1:
            raise WorkloadError(f"bert: model.dropout={self.dropout} must be at least 0 and below 1")

    def batch_arrays(self) -> dict[str, Draw]:
        sequence = self.batch, self.tokens
        batch = {
            "ids": draw.integers(*sequence, high=self.vocabulary),
            "segments": draw.integers(*sequence, high=2),
            "positions": draw.positions(self.tokens),
            "seen": draw.padding(*sequence),
            "labels": draw.integers(self.batch, high=self.classes),
        }
        if self.dropout:
            masks = ["embedding", *(f"block{i}.{half}" for i in range(1, self.layers + 1) for half in ("mixed", "fed"))]
            batch |= {f"{name}.mask": draw.kept(*sequence, self.width, rate=self.dropout) for name in masks}
        return batch

    def loss(
        self,
        ops: Ops,
        param: Param,
        ids: Value,
        segments: Value,
        positions: Value,
        seen: Value,
        labels: Value,
        **masks: Value,
    ) -> Value:
        def dropped(name: str, x: Value) -> Value:
            return ops.dropout(x, masks[f"{name}.mask"], rate=self.dropout) if masks else x

        def table(name: str, entries: int) -> Value:
            return param(name, draw.normal(entries, self.width, std=STD))

        x = ops.embedding(table("token_table", self.vocabulary), ids)
        x = ops.add(x, ops.embedding(table("segment_table", 2), segments))
        x = ops.add(x, ops.embedding(table("position_table", self.context), positions))
        x = dropped("embedding", norm(ops, param, "embedding.norm", x, EPS))
        for name in (f"block{i}" for i in range(1, self.layers + 1)):
            with ops.block(name):
                q, k, v = ops.split(dense(ops, param, f"{name}.qkv", x, 3 * self.width), parts=3)
                h = ops.attention(q, k, v, seen, heads=self.heads, causal=False)
                h = dropped(f"{name}.mixed", dense(ops, param, f"{name}.project", h, self.width))
                x = norm(ops, param, f"{name}.norm1", ops.add(x, h), EPS)
                h = ops.gelu(dense(ops, param, f"{name}.expand", x, 4 * self.width), approximate=False)
                h = dropped(f"{name}.fed", dense(ops, param, f"{name}.contract", h, self.width))
                x = norm(ops, param, f"{name}.norm2", ops.add(x, h), EPS)
        pooled = ops.tanh(dense(ops, param, "pooler", ops.first_token(x), self.width))
        return ops.cross_entropy(dense(ops, param, "head", pooled, self.classes), labels)
