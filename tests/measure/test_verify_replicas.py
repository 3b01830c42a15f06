"""Gradients that are reduced among replicas must be the whole batch's, in each of them, before anything is timed."""

from __future__ import annotations

import pytest

from adapters.replicated import Replicated
from harness.measure.protocol import Failure, Outcome
from harness.measure.verify_replicas import verify_replicas
from harness.workload.oracle import Reference, reference
from tests.helpers.numpy_replicas import WORKLOAD, Replicas


@pytest.fixture(scope="module")
def expected() -> Reference:
    return reference(WORKLOAD.graph, WORKLOAD.sample())


def test_replicas_that_share_the_batch_and_the_gradients_are_verified(expected: Reference) -> None:
    program = Replicas()
    assert isinstance(program, Replicated)
    verified = verify_replicas(program, "fp32", expected)
    assert verified.loss == pytest.approx(expected.loss, rel=1e-6)
    assert verified.gradient_errors.keys() == expected.gradients.keys()
    assert max(verified.gradient_errors.values()) < 1e-6
    assert verified.residual_bytes > 0


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("unreduced", "^backward: the gradient of .* is off by"),
        ("summed", "^backward: the gradient of .* is off by 1 of its norm"),
        ("first", "^backward: the gradient of .* is off by"),
        ("local", "^backward_local reduces: "),
        ("last", "^backward computes nothing when it is called again"),
    ],
)
def test_what_is_not_reduced_as_it_should_be_is_invalid(expected: Reference, fault: str, words: str) -> None:
    with pytest.raises(Failure, match=words) as failure:
        verify_replicas(Replicas(fault), "fp32", expected)
    assert failure.value.outcome is Outcome.INVALID


def test_a_replica_that_does_not_answer_is_an_error(expected: Reference) -> None:
    with pytest.raises(Failure, match="not for 2") as failure:
        verify_replicas(Replicas("missing"), "fp32", expected)
    assert failure.value.outcome is Outcome.ERROR
