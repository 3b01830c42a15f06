"""BERT against that of `transformers`, without dropout, and with our masks in the place of the library's own."""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn
from transformers import BertConfig, BertForSequenceClassification

from harness.workload.models import BERT
from tests.identity import torch_module
from tests.identity.arrays import Answer, Arrays
from tests.identity.torch_module import affine, dense, qkv, tensor


def named(ours: BERT, weights: Arrays) -> Arrays:
    found = {
        "bert.embeddings.word_embeddings.weight": weights["token_table"],
        "bert.embeddings.position_embeddings.weight": weights["position_table"],
        "bert.embeddings.token_type_embeddings.weight": weights["segment_table"],
        **affine(weights, "embedding.norm", "bert.embeddings.LayerNorm"),
        **dense(weights, "pooler", "bert.pooler.dense"),
        **dense(weights, "head", "classifier"),
    }
    for i in range(ours.layers):
        theirs, block = f"bert.encoder.layer.{i}", f"block{i + 1}"
        parts = [f"{theirs}.attention.self.{part}" for part in ("query", "key", "value")]
        found |= qkv(weights, f"{block}.qkv", parts)
        found |= dense(weights, f"{block}.project", f"{theirs}.attention.output.dense")
        found |= affine(weights, f"{block}.norm1", f"{theirs}.attention.output.LayerNorm")
        found |= dense(weights, f"{block}.expand", f"{theirs}.intermediate.dense")
        found |= dense(weights, f"{block}.contract", f"{theirs}.output.dense")
        found |= affine(weights, f"{block}.norm2", f"{theirs}.output.LayerNorm")
    return found


def answer(ours: BERT, weights: Arrays, batch: Arrays) -> Answer:
    config = BertConfig(
        vocab_size=ours.vocabulary,
        max_position_embeddings=ours.context,
        hidden_size=ours.width,
        num_hidden_layers=ours.layers,
        num_attention_heads=ours.heads,
        intermediate_size=4 * ours.width,
        num_labels=ours.classes,
        **{"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0},
    )
    model = BertForSequenceClassification(config)
    parameters = torch_module.carried(model, named(ours, weights))
    if ours.dropout:
        model.bert.embeddings.dropout = Masked(batch["embedding.mask"], ours.dropout)
        for i, layer in enumerate(model.bert.encoder.layer, start=1):
            layer.attention.output.dropout = Masked(batch[f"block{i}.mixed.mask"], ours.dropout)
            layer.output.dropout = Masked(batch[f"block{i}.fed.mask"], ours.dropout)
    assert not batch["seen"].all(), "the mask hides nothing"
    found = model(
        tensor(batch["ids"]),
        attention_mask=tensor(batch["seen"]),
        token_type_ids=tensor(batch["segments"]),
        position_ids=tensor(batch["positions"])[None],
        labels=tensor(batch["labels"]),
    )
    return torch_module.answer(found.loss, parameters)


class Masked(nn.Module):
    """Dropout of what a mask says."""

    def __init__(self, mask: np.ndarray, rate: float) -> None:
        super().__init__()
        self.mask, self.rate = tensor(mask), rate

    def forward(self, x: Tensor) -> Tensor:
        return x.where(self.mask, 0.0) / (1 - self.rate)
