"""The catalogue's GPT-2 as `transformers` has it, with the same weights and batch, to be measured beside it."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch.nn.functional import cross_entropy
from transformers import GPT2Config, GPT2LMHeadModel

from harness.workload.models import GPT2, Model
from harness.workload.workload import Workload
from tests.identity.gpt2 import named


def build(
    batch: int = 4,
    tokens: int = 64,
    layers: int = 4,
    width: int = 256,
    heads: int = 4,
    vocabulary: int = 8192,
    context: int = 64,
) -> Any:
    ours = GPT2(batch, tokens, layers, width, heads, vocabulary, context)
    arrays = Workload("gpt2", cast(Model, ours)).sample()
    config = GPT2Config(
        vocab_size=vocabulary,
        n_positions=context,
        n_embd=width,
        n_layer=layers,
        n_head=heads,
        bos_token_id=0,
        eos_token_id=0,
        use_cache=False,
    )
    model = GPT2LMHeadModel(config).eval()  # without dropout, which the catalogue's leaves out
    with torch.no_grad():
        parameters = dict(model.named_parameters())
        for name, array in named(ours, arrays).items():
            parameters[name].copy_(torch.tensor(array))
    ids, labels = (torch.tensor(arrays[name].astype("int64")) for name in ("ids", "labels"))

    def loss(model: Any, batch: Any) -> torch.Tensor:
        ids, labels = batch
        # Of the catalogue's labels: the library's own loss takes the tokens themselves, one further.
        return cross_entropy(model(ids).logits.flatten(0, 1), labels.flatten())

    return model, (ids, labels), loss
