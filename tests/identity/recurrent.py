"""LSTM and GRU against `torch.nn`: its embedding, its recurrent layers, its linear layer."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from harness.workload.models import GRU, LSTM
from tests.identity import torch_module
from tests.identity.arrays import Answer, Arrays
from tests.identity.torch_module import tensor


def named(ours: LSTM | GRU, weights: Arrays) -> Arrays:
    found = {"embedding.weight": weights["table"], **torch_module.dense(weights, "head", "head")}
    for i in range(ours.layers):
        layer = f"layer{i + 1}"
        found |= {f"rnn.weight_ih_l{i}": weights[f"{layer}.w"].T, f"rnn.weight_hh_l{i}": weights[f"{layer}.u"].T}
        found[f"rnn.bias_ih_l{i}"] = weights[f"{layer}.b"]
        if isinstance(ours, GRU):
            found[f"rnn.bias_hh_l{i}"] = weights[f"{layer}.d"]
    return found


def answer(ours: LSTM | GRU, weights: Arrays, batch: Arrays) -> Answer:
    kind, states = (nn.LSTM, "hc") if isinstance(ours, LSTM) else (nn.GRU, "h")
    rnn = kind(ours.width, ours.width, ours.layers, batch_first=True)
    if isinstance(ours, LSTM):
        # torch adds two biases to each gate, an LSTM of ours one.
        for i in range(ours.layers):
            nn.init.zeros_(getattr(rnn, f"bias_hh_l{i}").requires_grad_(False))
    embedding, head = nn.Embedding(ours.vocabulary, ours.width), nn.Linear(ours.width, ours.vocabulary)
    module = nn.ModuleDict({"embedding": embedding, "rnn": rnn, "head": head})
    parameters = torch_module.carried(module, named(ours, weights))
    given = [torch.stack([tensor(batch[f"layer{i + 1}.{s}"]) for i in range(ours.layers)]) for s in states]
    outputs, _ = rnn(embedding(tensor(batch["ids"])), tuple(given) if len(given) > 1 else given[0])
    loss = cross_entropy(head(outputs).flatten(0, 1), tensor(batch["labels"]).flatten())
    return torch_module.answer(loss, parameters)
