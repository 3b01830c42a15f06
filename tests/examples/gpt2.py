"""GPT-2 of Hugging Face's transformers, with random weights: no download."""

from __future__ import annotations

from typing import Any

import torch
from transformers import GPT2Config, GPT2LMHeadModel


def build(batch: int = 2, tokens: int = 64, width: int = 128, layers: int = 2) -> Any:
    config = GPT2Config(
        vocab_size=1000,
        bos_token_id=0,
        eos_token_id=0,
        n_positions=tokens,
        n_embd=width,
        n_layer=layers,
        n_head=width // 64,
        use_cache=False,
    )
    model = GPT2LMHeadModel(config).eval()  # without dropout, which would give another loss in every call
    model.loss_type = "ForCausalLM"  # else the first call warns, which torch.compile cannot take
    ids = torch.randint(config.vocab_size, (batch, tokens))

    def loss(model: Any, ids: torch.Tensor) -> torch.Tensor:
        return model(input_ids=ids, labels=ids).loss

    return model, ids, loss
