"""One replica's share of a batch: the means over all shares are the loss and the gradients of the whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from adapters.common.replicas import parts, split_inputs
from harness.workload.ops import CATALOGUE, WorkloadError
from harness.workload.oracle import reference
from harness.workload.replicas import share, share_of
from harness.workload.workload import Workload
from tests.helpers.small_models import small_model

MLP = {"batch": 8, "depth": 3, "width": 8}


def of(model: str) -> Workload:
    return Workload(model, small_model(model))


def of_four(model: str) -> Workload:
    return Workload(model, replace(small_model(model), batch=4))


@pytest.mark.parametrize("model", ["mlp", "bert", "gpt2", "dlrm", "lstm", "unet"])
def test_the_mean_over_shares_is_what_the_whole_batch_has(model: str) -> None:
    """Padding, positions and dropout's masks included."""
    whole = of_four(model)
    arrays, part = whole.sample(), share(whole, 2)
    expected = reference(whole.graph, arrays)
    answers = [reference(part.graph, own) for own in parts(part.graph, arrays, 2)]
    assert np.mean([answer.loss for answer in answers]) == pytest.approx(expected.loss, rel=1e-12)
    means = {name: np.mean([answer.gradients[name] for answer in answers], axis=0) for name in expected.gradients}
    assert max(expected.gradient_errors(means).values()) < 1e-12
    assert max(expected.gradient_errors(answers[0].gradients).values()) > 0.01  # one share has others


def test_a_share_has_as_many_multiplies_of_half_the_rows() -> None:
    whole = Workload.of("mlp", MLP)
    part = share(whole, 2)
    assert len(part.graph.calls) == len(whole.graph.calls)
    assert part.graph.specs[part.graph.inputs["x"]].shape == (4, 8)
    assert part.graph.parameter_count == whole.graph.parameter_count
    assert split_inputs(part.graph, whole.sample()) == {"x", "labels"}
    assert share(whole, 1) is whole


def test_what_does_not_depend_on_the_batch_is_every_replicas() -> None:
    whole = of("gpt2")
    assert split_inputs(share(whole, 2).graph, whole.sample()) == {"ids", "labels"}


@pytest.mark.parametrize(
    ("workload", "words"),
    [
        (lambda: Workload.of("mlp", MLP | {"batch": 9}), "model.batch=9 is no multiple of it; choose a batch"),
        (lambda: of("resnet18"), "batch_norm computes over the whole batch"),
        (lambda: of("attention"), "q of attention depends on the batch, and not as a list of examples"),
        (lambda: Workload.of("op", {"op": "linear"}), "an op alone has no loss to average"),
    ],
)
def test_what_cannot_be_split_is_refused_in_one_sentence(workload: Any, words: str) -> None:
    whole = workload()
    with pytest.raises(WorkloadError, match=f"^replicas=2: .*{words}") as refusal:
        share(whole, 2)
    assert "\n" not in str(refusal.value)
    assert share_of(whole, 2) is whole


def test_only_a_norm_of_the_batch_mixes_its_examples() -> None:
    assert {name for name, op in CATALOGUE.items() if op.mixes_examples} == {"batch_norm"}
