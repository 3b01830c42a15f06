"""GPT-2 and BERT against the library that most people take them from: same weights, same loss, same gradients.

Everything is in float64 there, and the oracle's here, so that nothing but the maths can differ. Each adapter is
held to the oracle elsewhere.
"""

from __future__ import annotations

import numpy as np
import pytest

from harness.workload.models import build
from harness.workload.reference import reference
from harness.workload.trace import trace
from tests.adapters.tiny import sample

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers", reason="the extra `identity` is not installed")
pytestmark = pytest.mark.slow

AGREES = 1e-10  # of a gradient's norm: float64 rounding, through two layers

GPT2 = {"batch": 3, "tokens": 6, "layers": 2, "width": 16, "heads": 2, "vocabulary": 31, "context": 8}
BERT = GPT2 | {"classes": 3}


def oracle(name, sizes):
    graph = trace(build(name, sizes))
    arrays = sample(graph)
    return arrays, reference(graph, arrays)


def tensor(array):
    return torch.tensor(array.astype(np.float64) if array.dtype.kind == "f" else array.astype(np.int64))


def carried(model, weights):
    """The library's model with our weights, by its names; every one of its parameters must be among them."""
    parameters = dict(model.named_parameters())
    assert parameters.keys() == weights.keys()
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(torch.tensor(weights[name]))
    return parameters


def compare(loss, parameters, expected_loss, expected):
    """`expected` has our gradients by the library's names."""
    assert float(loss.detach()) == pytest.approx(expected_loss, rel=1e-12)
    gradients = torch.autograd.grad(loss, tuple(parameters.values()))
    total = np.linalg.norm([np.linalg.norm(g) for g in expected.values()])
    for name, gradient in zip(parameters, gradients, strict=True):
        norm = np.linalg.norm(expected[name])
        # A key's bias moves all scores of a row alike: its gradient is zero, and what is left is rounding.
        scale = norm if norm > 1e-9 * total else total
        assert np.linalg.norm(gradient.numpy() - expected[name]) <= AGREES * scale, name


def gpt2_names(arrays):
    """GPT-2's weights, or their gradients, by the library's names: its Conv1D has them as [in, out], as we do."""
    named = {"transformer.wte.weight": arrays["token_table"], "transformer.wpe.weight": arrays["position_table"]}
    parts = {
        **{"ln_1": "norm1", "attn.c_attn": "qkv", "attn.c_proj": "project"},
        **{"ln_2": "norm2", "mlp.c_fc": "expand", "mlp.c_proj": "contract"},
    }
    norms = {f"transformer.h.{i}.{theirs}": f"block{i + 1}.{ours}" for i in range(2) for theirs, ours in parts.items()}
    for theirs, ours in (norms | {"transformer.ln_f": "final"}).items():
        weight, bias = ("scale", "shift") if f"{ours}.scale" in arrays else ("w", "b")
        named |= {f"{theirs}.weight": arrays[f"{ours}.{weight}"], f"{theirs}.bias": arrays[f"{ours}.{bias}"]}
    return named


def test_gpt2_is_the_librarys():
    arrays, expected = oracle("gpt2", GPT2)
    config = transformers.GPT2Config(
        **{"vocab_size": 31, "n_positions": 8, "n_embd": 16, "n_layer": 2, "n_head": 2},
        **{"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0, "bos_token_id": 0, "eos_token_id": 0},
    )
    model = transformers.GPT2LMHeadModel(config).double()
    parameters = carried(model, gpt2_names(arrays))
    logits = model(tensor(arrays["ids"]), position_ids=tensor(arrays["positions"])[None]).logits
    # Not the library's own loss, which shifts the labels by one.
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), tensor(arrays["labels"]).flatten())
    compare(loss, parameters, expected.loss, gpt2_names(expected.gradients))


def bert_names(arrays):
    """The same for BERT, whose linear weights are [out, in] there, and q, k and v apart."""
    named = {
        "bert.embeddings.word_embeddings.weight": arrays["token_table"],
        "bert.embeddings.position_embeddings.weight": arrays["position_table"],
        "bert.embeddings.token_type_embeddings.weight": arrays["segment_table"],
    }

    def norm(theirs, ours):
        named.update({f"{theirs}.weight": arrays[f"{ours}.scale"], f"{theirs}.bias": arrays[f"{ours}.shift"]})

    def dense(theirs, weight, bias):
        named.update({f"{theirs}.weight": weight.T, f"{theirs}.bias": bias})

    norm("bert.embeddings.LayerNorm", "embedding.norm")
    for i in range(2):
        theirs, ours = f"bert.encoder.layer.{i}", f"block{i + 1}"
        weights, biases = np.split(arrays[f"{ours}.qkv.w"], 3, axis=1), np.split(arrays[f"{ours}.qkv.b"], 3)
        for part, weight, bias in zip(("query", "key", "value"), weights, biases, strict=True):
            dense(f"{theirs}.attention.self.{part}", weight, bias)
        norm(f"{theirs}.attention.output.LayerNorm", f"{ours}.norm1")
        norm(f"{theirs}.output.LayerNorm", f"{ours}.norm2")
        layers = {"attention.output.dense": "project", "intermediate.dense": "expand", "output.dense": "contract"}
        for their_part, part in layers.items():
            dense(f"{theirs}.{their_part}", arrays[f"{ours}.{part}.w"], arrays[f"{ours}.{part}.b"])
    dense("bert.pooler.dense", arrays["pooler.w"], arrays["pooler.b"])
    dense("classifier", arrays["head.w"], arrays["head.b"])
    return named


def test_bert_is_the_librarys():
    arrays, expected = oracle("bert", BERT)
    config = transformers.BertConfig(
        **{"vocab_size": 31, "max_position_embeddings": 8, "hidden_size": 16, "num_hidden_layers": 2},
        **{"num_attention_heads": 2, "intermediate_size": 64, "num_labels": 3},
        **{"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0},
    )
    model = transformers.BertForSequenceClassification(config).double()
    parameters = carried(model, bert_names(arrays))
    found = model(
        tensor(arrays["ids"]),
        attention_mask=tensor(arrays["seen"]),
        token_type_ids=tensor(arrays["segments"]),
        position_ids=tensor(arrays["positions"])[None],
        labels=tensor(arrays["labels"]),
    )
    assert not arrays["seen"].all(), "the mask hides nothing"
    compare(found.loss, parameters, expected.loss, bert_names(expected.gradients))
