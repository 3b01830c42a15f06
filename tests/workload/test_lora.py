"""Low-rank matrices beside frozen layers: what they compute, and what they cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.workload.cost import cost
from harness.workload.models import build
from harness.workload.ops import WorkloadError
from harness.workload.oracle import reference
from harness.workload.trace import trace
from harness.workload.workload import Workload

DEPTH, WIDTH, BATCH, RANK = 3, 8, 4, 2
SIZES = {"batch": BATCH, "depth": DEPTH, "width": WIDTH}


def test_loss_and_gradients_are_those_of_the_layer_with_both_matrices_merged_into_its_weight() -> None:
    """With y = x (W + A B), dA is dW Bᵀ and dB is Aᵀ dW, where dW is the merged weight's gradient."""
    adapted, plain = (trace(build("mlp", SIZES | chosen)) for chosen in ({"lora": RANK}, {}))
    arrays = {name: drawn.sample(0, name).astype(np.float64) for name, drawn in adapted.draws.items()}
    arrays["labels"] = arrays["labels"].astype(np.int32)
    pairs = {i: (arrays[f"layer{i}.lora_a"], arrays[f"layer{i}.lora_b"]) for i in range(1, DEPTH + 1)}
    merged = {name: arrays[name] for name in plain.draws}
    merged |= {f"w{i}": arrays[f"w{i}"] + a @ b for i, (a, b) in pairs.items()}
    found, wanted = reference(adapted, arrays), reference(plain, merged)
    assert found.loss == pytest.approx(wanted.loss, rel=1e-12)
    for i, (a, b) in pairs.items():
        dw = wanted.gradients[f"w{i}"]
        np.testing.assert_allclose(found.gradients[f"layer{i}.lora_a"], dw @ b.T, rtol=1e-9, atol=1e-15)
        np.testing.assert_allclose(found.gradients[f"layer{i}.lora_b"], a.T @ dw, rtol=1e-9, atol=1e-15)
    assert len(found.gradients) == 2 * DEPTH


def test_dx_is_kept_everywhere_and_dw_is_that_of_the_small_matrices() -> None:
    """Each layer multiplies by W, A and B; dX is through all three, but for the first layer's W and A."""
    table = cost(trace(build("mlp", SIZES | {"lora": RANK})))
    large, small = 2 * BATCH * WIDTH * WIDTH, 2 * BATCH * WIDTH * RANK
    assert (table.forward.matmuls, table.forward.flops) == (3 * DEPTH, DEPTH * (large + 2 * small))
    assert (table.dx.matmuls, table.dx.flops) == (3 * DEPTH - 2, (DEPTH - 1) * (large + 2 * small) + small)
    assert (table.dw.matmuls, table.dw.flops) == (2 * DEPTH, 2 * DEPTH * small)


@pytest.mark.parametrize(("model", "parts"), [("gpt2", 4), ("llama", 7)])
def test_every_linear_layer_of_a_block_has_two_matrices_and_nothing_else_is_trained(model: str, parts: int) -> None:
    graph = trace(build(model, {"layers": 2, "tokens": 4, "lora": RANK}))
    assert {name.rpartition(".")[2] for name in graph.sources} == {"lora_a", "lora_b"}
    assert len(graph.sources) == 2 * 2 * parts
    assert graph.params.keys() - graph.sources.keys() == graph.frozen


@pytest.mark.parametrize(
    ("model", "sizes", "identity"),
    [("mlp", SIZES, "mlp-362f588b"), ("gpt2", {}, "gpt2-ca08f484"), ("llama", {}, "llama-5eddfe5c")],
)
def test_without_them_a_model_is_what_it_was(model: str, sizes: dict[str, Any], identity: str) -> None:
    """Recorded before there were any: cells of earlier sweeps are found by it."""
    plain, adapted = (Workload.of(model, sizes | chosen) for chosen in ({}, {"lora": RANK}))
    assert plain.id == identity
    assert adapted.id != plain.id
    assert "lora" not in plain.as_dict()["sizes"]
    assert Workload.from_dict(adapted.as_dict()) == adapted


@pytest.mark.parametrize("rank", [0, -1, 1.5, "x", True])
def test_a_rank_is_a_whole_number_above_zero(rank: Any) -> None:
    with pytest.raises(WorkloadError, match=r"model\.lora="):
        build("mlp", SIZES | {"lora": rank})
