"""The catalogue's GPT-2 and that of `transformers`, with the same weights, are one model to this tool."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("transformers")

from harness.workload.agreement import agreement
from harness.workload.models import GPT2
from harness.workload.oracle import Reference, reference
from harness.workload.own_truth import read_truth
from harness.workload.rounding import Errors
from harness.workload.workload import Workload
from tests.examples import gpt2_twin
from tests.helpers import own
from tests.helpers.programs import run as run_catalogue
from tests.helpers.small_models import small_model
from tests.identity.gpt2 import named

SIZES: dict[str, Any] = {"batch": 2, "tokens": 8, "layers": 1, "width": 16, "heads": 2, "vocabulary": 50, "context": 8}


@pytest.fixture
def expected() -> Reference:
    """The oracle's answer for the catalogue's, by the names of the library, with what fp32 allows."""
    workload = Workload.of("gpt2", SIZES)
    assert workload.model == small_model("gpt2")
    assert isinstance(workload.model, GPT2)
    oracle = reference(workload.graph, workload.sample())
    ours: Any = {name: name for name in oracle.gradients}
    theirs = {there: str(here) for there, here in named(workload.model, ours).items()}
    allowed = Errors(oracle.allowed.loss, {there: oracle.allowed.gradients[here] for there, here in theirs.items()})
    return replace(oracle, gradients=dict(named(workload.model, oracle.gradients)), allowed=allowed)


def test_loss_and_every_gradient_are_the_oracles_within_its_limits(expected: Reference) -> None:
    model, batch, loss = gpt2_twin.build(**SIZES)
    value = loss(model, batch)
    parameters = dict(model.named_parameters())
    gradients = dict(zip(parameters, torch.autograd.grad(value, list(parameters.values())), strict=True))
    found = agreement([float(value.detach())], [{name: g.numpy() for name, g in gradients.items()}], expected)
    assert found.failure("fp32") is None


def test_as_a_model_of_ones_own_it_has_the_oracles_answer_and_the_same_multiplies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: Reference
) -> None:
    monkeypatch.setattr(own, "MODELS", own.MODELS.parent / "examples")
    told = own.run(tmp_path, "torch", "gpt2_twin:build", "eager", **SIZES)
    truth = read_truth(tmp_path, "torch")
    # `transformers` keeps no float32 in this loss, so its own float64 is the oracle's.
    assert expected.loss_error(truth.reference.loss) < 1e-12
    assert max(expected.gradient_errors(dict(truth.reference.gradients)).values()) < 1e-10
    executed = run_catalogue("torch", "eager", "gpt2")[2]
    for phase, count in told.counted.items():
        assert (count["matmuls"], count["flops"]) == (executed[phase].matmuls, executed[phase].flops)
