"""The judge of equal results: what it must see, and what it must let pass."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from harness.workload.agreement import GRADIENT_LIMIT, LOSS_LIMIT, Agreement, agreement
from harness.workload.oracle import Reference, reference
from harness.workload.rounding import Errors
from harness.workload.workload import Workload


@pytest.fixture(scope="module")
def expected(tiny: Workload) -> Reference:
    return reference(tiny.graph, tiny.sample())


@pytest.fixture
def small() -> Reference:
    return Reference(2.0, {"w": np.array([3.0, 4.0]), "b": np.array([1.0])})


def failure(found: Agreement, precision: str) -> str:
    """Why it fails; nothing, if it agrees."""
    return found.failure(precision) or ""


def rounded(expected: Reference) -> dict[str, np.ndarray]:
    return {name: gradient.astype(np.float32) for name, gradient in expected.gradients.items()}


PRECISIONS = ("fp32", *LOSS_LIMIT)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_oracle_rounded_to_float32_agrees(expected: Reference, precision: str) -> None:
    found = agreement([float(np.float32(expected.loss))], [rounded(expected)], expected)
    assert found.failure(precision) is None
    assert found.worst[1] < 1e-6


def test_a_result_rounded_to_float32_does_not_agree_in_float64(expected: Reference) -> None:
    """Nor does a loss or a gradient that is off by as little as float64 would not make it."""
    assert agreement([expected.loss], [expected.gradients], expected).failure("fp64") is None
    assert "loss" in failure(agreement([float(np.float32(expected.loss))], [expected.gradients], expected), "fp64")
    assert "gradient" in failure(agreement([expected.loss], [rounded(expected)], expected), "fp64")
    name = max(expected.gradients, key=lambda n: float(np.linalg.norm(expected.gradients[n])))
    slightly_off = {**expected.gradients, name: expected.gradients[name] * (1 + 1e-11)}
    assert f"the gradient of {name} is off" in failure(agreement([expected.loss], [slightly_off], expected), "fp64")


def test_limits_that_were_computed_for_a_precision_go_before_those_of_the_whole_catalogue(small: Reference) -> None:
    allowed = Errors(1e-2, {"w": 5e-2, "b": 5e-2}, "bf16_mixed")
    off = {name: gradient * 1.1 for name, gradient in small.gradients.items()}
    assert agreement([2.0], [off], small).failure("bf16_mixed") is None
    assert "allows 0.05" in failure(agreement([2.0], [off], dataclasses.replace(small, allowed=allowed)), "bf16_mixed")


@pytest.mark.slow
def test_one_percent_in_any_one_gradient_is_found(expected: Reference) -> None:
    right = rounded(expected)
    total = np.linalg.norm([np.linalg.norm(g) for g in expected.gradients.values()])
    for name, gradient in expected.gradients.items():
        if np.linalg.norm(gradient) < 1e-9 * total:
            continue  # zero in exact arithmetic: a hundredth of it is nothing
        answer = right | {name: right[name] * np.float32(1.01)}
        found = agreement([expected.loss], [answer], expected)
        assert found.worst[0] == name and found.worst[1] == pytest.approx(0.01, rel=1e-3)
        assert name in failure(found, "fp32")


def test_two_gradients_of_one_shape_that_are_swapped_are_found(mlp: Workload) -> None:
    expected = reference(mlp.graph, mlp.sample())
    answer = rounded(expected)
    answer["w2"], answer["w3"] = answer["w3"], answer["w2"]
    assert agreement([expected.loss], [answer], expected).worst[0] in ("w2", "w3")
    assert agreement([expected.loss], [answer], expected).failure("bf16")


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_is_worst_of_all(small: Reference, wrong: float) -> None:
    bad = {"w": np.array([30.0, 4.0]), "b": np.array([wrong])}
    found = agreement([2.0], [small.gradients, bad, small.gradients], small)
    assert found.worst[0] == "b"
    assert not math.isfinite(found.worst[1])
    assert "b" in failure(found, "bf16")


@pytest.mark.parametrize("losses", [[math.nan, 2.0], [2.0, math.nan], [2.0, math.inf]])
def test_a_loss_that_is_not_a_number_fails_wherever_it_stands(small: Reference, losses: list[float]) -> None:
    assert "loss" in failure(agreement(losses, [small.gradients], small), "bf16")


def test_the_worst_of_several_losses_counts(small: Reference) -> None:
    assert agreement([2.0, 2.2, 2.0], [small.gradients], small).loss == pytest.approx(0.1)


def test_noise_on_a_gradient_that_is_zero_in_exact_arithmetic_is_measured_against_the_whole() -> None:
    expected = Reference(1.0, {"w": np.array([3.0, 4.0]), "dead": np.array([1e-16, -1e-16])})
    noise = {"w": np.array([3.0, 4.0]), "dead": np.array([1e-7, 1e-7])}
    assert agreement([1.0], [noise], expected).failure("fp32") is None
    wrong = {"w": np.array([3.0, 4.0]), "dead": np.array([0.5, 0.5])}
    assert "dead" in failure(agreement([1.0], [wrong], expected), "fp32")


def test_all_gradients_zero_is_still_a_number() -> None:
    expected = Reference(1.0, {"w": np.zeros(2)})
    assert agreement([1.0], [{"w": np.zeros(2)}], expected).worst == ("w", 0.0)
    assert "w" in failure(agreement([1.0], [{"w": np.ones(2)}], expected), "fp32")


def test_a_loss_of_zero_can_be_compared() -> None:
    expected = Reference(0.0, {"w": np.ones(2)})
    assert agreement([0.0], [expected.gradients], expected).failure("fp32") is None
    assert "loss" in failure(agreement([0.1], [expected.gradients], expected), "fp32")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"w": np.array([3.0, 4.0])}, r"\['b'\]"),
        ({"w": np.array([3.0, 4.0]), "b": np.array([1.0]), "c": np.array([1.0])}, r"\['c'\]"),
        ({"w": np.array([[3.0, 4.0]]), "b": np.array([1.0])}, r"gradient of w: shape \(1, 2\), expected \(2,\)"),
        ({"w": np.array([3.0, 4.0]), "b": np.array(1.0)}, "gradient of b"),
    ],
)
def test_a_missing_strange_or_reshaped_gradient_is_refused(
    small: Reference, answer: dict[str, np.ndarray], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        agreement([2.0], [answer], small)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_limits_are_sharp_and_in_fp32_the_workloads_own(small: Reference, precision: str) -> None:
    def shifted(by: float) -> dict[str, np.ndarray]:
        return {"w": small.gradients["w"] * (1 + by), "b": small.gradients["b"]}

    own = dataclasses.replace(small, allowed=Errors(1e-3, {"w": 3e-6, "b": 2e-6}))
    limit = GRADIENT_LIMIT.get(precision, 3e-6)
    assert agreement([2.0], [shifted(0.99 * limit)], own).failure(precision) is None
    assert "gradient of w" in failure(agreement([2.0], [shifted(1.01 * limit)], own), precision)
    limit = LOSS_LIMIT.get(precision, 1e-3)
    assert agreement([2.0 * (1 + 0.99 * limit)], [own.gradients], own).failure(precision) is None
    assert "loss" in failure(agreement([2.0 * (1 + 1.01 * limit)], [own.gradients], own), precision)


def test_a_long_sum_has_its_limit_in_every_precision(small: Reference) -> None:
    """Sums are float32 in all of them."""
    long = dataclasses.replace(small, allowed=Errors(0.5))
    assert all(agreement([2.9], [small.gradients], long).failure(precision) is None for precision in PRECISIONS)


def test_the_gradient_furthest_outside_its_own_limit_is_named(small: Reference) -> None:
    own = dataclasses.replace(small, allowed=Errors(1e-5, {"w": 1e-3, "b": 1e-6}))
    answer = {"w": small.gradients["w"] * 1.0009, "b": small.gradients["b"] * (1 + 2e-6)}
    found = agreement([2.0], [answer], own)
    assert found.worst[0] == "w"
    assert "gradient of b" in failure(found, "fp32")


def test_of_one_side_the_limits_are_those_of_the_whole(small: Reference) -> None:
    own = dataclasses.replace(small, allowed=Errors(1e-3, {"w": 3e-4, "b": 2e-6}))
    assert agreement([2.0], [{"w": small.gradients["w"] * 1.0002}], own.of(["w"])).failure("fp32") is None
