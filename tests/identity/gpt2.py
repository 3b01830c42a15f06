"""GPT-2 against that of `transformers`."""

from __future__ import annotations

import numpy as np
from torch.nn.functional import cross_entropy
from transformers import GPT2Config, GPT2LMHeadModel

from harness.workload.models import GPT2
from tests.identity import torch_module
from tests.identity.arrays import Answer, Arrays
from tests.identity.torch_module import affine, tensor


def conv1d(weights: Arrays, ours: str, theirs: str) -> dict[str, np.ndarray]:
    """The library's own linear layer, which has its weight as [in, out], as we do."""
    return {f"{theirs}.weight": weights[f"{ours}.w"], f"{theirs}.bias": weights[f"{ours}.b"]}


def named(ours: GPT2, weights: Arrays) -> Arrays:
    found = {"transformer.wte.weight": weights["token_table"], "transformer.wpe.weight": weights["position_table"]}
    found |= affine(weights, "final", "transformer.ln_f")
    for i in range(ours.layers):
        theirs, block = f"transformer.h.{i}", f"block{i + 1}"
        found |= affine(weights, f"{block}.norm1", f"{theirs}.ln_1")
        found |= conv1d(weights, f"{block}.qkv", f"{theirs}.attn.c_attn")
        found |= conv1d(weights, f"{block}.project", f"{theirs}.attn.c_proj")
        found |= affine(weights, f"{block}.norm2", f"{theirs}.ln_2")
        found |= conv1d(weights, f"{block}.expand", f"{theirs}.mlp.c_fc")
        found |= conv1d(weights, f"{block}.contract", f"{theirs}.mlp.c_proj")
    return found


def answer(ours: GPT2, weights: Arrays, batch: Arrays) -> Answer:
    config = GPT2Config(
        vocab_size=ours.vocabulary,
        n_positions=ours.context,
        n_embd=ours.width,
        n_layer=ours.layers,
        n_head=ours.heads,
        **{"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0, "bos_token_id": 0, "eos_token_id": 0},
    )
    model = GPT2LMHeadModel(config)
    parameters = torch_module.carried(model, named(ours, weights))
    logits = model(tensor(batch["ids"]), position_ids=tensor(batch["positions"])[None]).logits
    # Not the library's own loss, which shifts the labels by one.
    loss = cross_entropy(logits.flatten(0, 1), tensor(batch["labels"]).flatten())
    return torch_module.answer(loss, parameters)
