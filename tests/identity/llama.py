"""Llama against that of `transformers`.

The library computes two things in float32 whatever the model's type is: its RMS norm, for which torch's own stands in,
with the library's epsilon; and the tables of rotary embedding, which ours must equal to float32 rounding before they
take their place.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM

from harness.workload.models import Llama
from tests.identity import torch_module
from tests.identity.arrays import Answer, Arrays
from tests.identity.torch_module import tensor

MATRICES = {
    **{f"self_attn.{part}_proj": part for part in "qkv"},
    "self_attn.o_proj": "project",
    **{"mlp.gate_proj": "gate", "mlp.up_proj": "expand", "mlp.down_proj": "contract"},
}
NORMS = {"input_layernorm": "norm1", "post_attention_layernorm": "norm2"}


def named(ours: Llama, weights: Arrays) -> Arrays:
    found = {"model.embed_tokens.weight": weights["token_table"], "lm_head.weight": weights["head.w"].T}
    found["model.norm.weight"] = weights["final.scale"]
    for i in range(ours.layers):
        theirs, block = f"model.layers.{i}", f"block{i + 1}"
        found |= {f"{theirs}.{layer}.weight": weights[f"{block}.{part}.w"].T for layer, part in MATRICES.items()}
        found |= {f"{theirs}.{norm}.weight": weights[f"{block}.{part}.scale"] for norm, part in NORMS.items()}
    return found


def answer(ours: Llama, weights: Arrays, batch: Arrays) -> Answer:
    config = LlamaConfig(
        vocab_size=ours.vocabulary,
        hidden_size=ours.width,
        intermediate_size=ours.hidden,
        num_hidden_layers=ours.layers,
        num_attention_heads=ours.heads,
        num_key_value_heads=ours.kv_heads,
        rms_norm_eps=1e-5,  # TinyLlama's
    )
    model = LlamaForCausalLM(config)
    model.model.norm = double_norm(model.model.norm)
    for layer in model.model.layers:
        for name in NORMS:
            setattr(layer, name, double_norm(getattr(layer, name)))
    model.model.rotary_emb = Tables(model.model.rotary_emb, batch["cosines"], batch["sines"])
    parameters = torch_module.carried(model, named(ours, weights))
    logits = model(tensor(batch["ids"])).logits
    # Not the library's own loss, which shifts the labels by one.
    loss = cross_entropy(logits.flatten(0, 1), tensor(batch["labels"]).flatten())
    return torch_module.answer(loss, parameters)


def double_norm(norm: nn.Module) -> nn.RMSNorm:
    return nn.RMSNorm(norm.weight.shape, eps=norm.variance_epsilon)


class Tables(nn.Module):
    """Our cosines and sines, once they are the library's."""

    def __init__(self, theirs: nn.Module, cosines: np.ndarray, sines: np.ndarray) -> None:
        super().__init__()
        ours = tuple(torch.cat((tensor(table),) * 2, -1)[None] for table in (cosines, sines))
        for mine, expected in zip(ours, theirs(ours[0], torch.arange(len(cosines))[None]), strict=True):
            torch.testing.assert_close(mine, expected, rtol=0, atol=1e-6)
        self.tables = ours

    def forward(self, x: torch.Tensor, position_ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.tables
