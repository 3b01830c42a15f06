"""The product of the factors is the measured ratio, and each stands for what its formula says."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from harness.explain import report
from harness.explain.calls import Calls
from harness.explain.factors import explain, rates
from harness.explain.parts import distinct_parts
from harness.explain.replay import Replay, Timed
from harness.job import Device, Variant
from harness.measure.stats import Estimate
from harness.workload.workload import Workload

NETWORK = Workload.of("mlp", {"batch": 64, "depth": 3, "width": 64})
PARTS = distinct_parts(NETWORK)
FIRST, RELU, LINEAR, LOSS = PARTS
EAGER, CPU = Variant("torch", "eager"), Device("cpu", 2, "kept")

# Of a layer and an activation 0.2 together, a pass 0.2; a chain's loss has a second of its own.
CALLED = {"a linear layer": 0.35, "an activation": 0.25, "2 layers": 1.6, "18 layers": 4.8}


def took(seconds: float, se: float = 0.01) -> Estimate:
    return Estimate(math.log(seconds), se, 7)


def replayed(forward: float = 13.9, backward: float = 21.9, **changed: Any) -> Replay:
    """Times in seconds: linear layers take 4 for forward, dX and dW; a call 0.1, and a pass 0.2. They add up."""
    timed = {
        FIRST: Timed(took(4.3), took(4.3), None, took(4.3)),
        RELU: Timed(took(0.8), took(0.8), took(0.8)),
        LINEAR: Timed(took(4.3), took(8.3), took(4.3), took(4.3)),
        LOSS: Timed(took(0.4), took(0.4), took(0.4)),
    }
    timed |= {PARTS[["first", "relu", "linear", "loss"].index(name)]: value for name, value in changed.items()}
    tiny = {name: Timed(took(seconds), took(seconds)) for name, seconds in CALLED.items()}
    return Replay(took(forward), took(backward), took(backward / forward), tiny, timed, {})


def factors(replay: Replay) -> dict[str, float]:
    return {factor.name: factor.value for factor in explain(replay, PARTS).factors}


@pytest.mark.parametrize("backward", [3.0, 21.9, 200.0])
def test_the_product_is_the_measured_ratio_exactly(backward: float) -> None:
    assert math.prod(factors(replayed(backward=backward)).values()) == pytest.approx(backward / 13.9, rel=1e-12)


def test_equal_rates_leave_the_ratio_of_flops() -> None:
    found = factors(replayed())
    assert found["flops"] == pytest.approx(5 / 3)
    assert [found[name] for name in ("mix", "forward", "dX", "dW", "rest")] == pytest.approx([1] * 5)


@pytest.mark.parametrize(
    ("name", "timed", "whole", "expected"),
    [
        ("dW", Timed(took(4.3), took(12.3), took(4.3), took(8.3)), {"backward": 29.9}, 28 / 20),
        ("dX", Timed(took(4.3), took(12.3), took(8.3), took(4.3)), {"backward": 29.9}, 28 / 20),
        ("forward", Timed(took(8.3), took(8.3), took(4.3), took(4.3)), {"forward": 21.9}, 12 / 20),
    ],
)
def test_a_slow_direction_is_a_factor_of_its_own_and_the_largest(
    name: str, timed: Timed, whole: dict[str, float], expected: float
) -> None:
    explained = explain(replayed(**whole, linear=timed), PARTS)
    assert {factor.name: factor.value for factor in explained.factors}[name] == pytest.approx(expected)
    assert explained.largest.name == name and explained.largest.part is LINEAR


def test_calls_are_those_of_ops_of_no_size_whatever_the_loss_of_a_chain_takes() -> None:
    calls = Calls.of(CALLED)
    assert (calls.op, calls.whole) == pytest.approx((0.1, 0.2))
    assert calls.net(4.3) == pytest.approx(4.0)
    assert calls.net(0.2) == pytest.approx(0.01), "some of a time is always its own"


@pytest.mark.parametrize("name", ["relu", "first"])
def test_without_a_standard_error_there_is_no_interval(name: str) -> None:
    side = {"relu": "dx", "first": "dw"}[name]
    changed: dict[str, Any] = {name: Timed(took(4.3, math.nan), took(4.3), **{side: took(4.3)})}
    explained = explain(replayed(**changed), PARTS)
    assert all(factor.interval is None for factor in explained.factors)
    assert "[" not in report.line(explained, EAGER)


def test_work_that_no_part_has_is_unexplained_also_where_it_is_negative() -> None:
    assert factors(replayed(backward=21.9 / 2))["rest"] == pytest.approx(1 / 2)
    assert factors(replayed(backward=21.9 * 2))["rest"] == pytest.approx(2)


def test_a_direction_below_a_third_of_the_best_is_flagged_with_its_command() -> None:
    slow = Timed(took(4.3), took(20.3), took(4.3), took(16.3))
    measured = replayed(linear=slow, backward=50.0)
    (flag,) = report.flags(measured, explain(measured, PARTS), EAGER, CPU)
    assert "dW of linear 64x64 64x64 64" in flag
    assert LINEAR.command(EAGER, CPU) in flag


@pytest.mark.parametrize("slow", [took(11.0), took(16.3, se=0.5), took(16.3, se=math.nan)])
def test_nothing_is_flagged_that_is_not_so_slow_or_not_sure(slow: Estimate) -> None:
    both = took(math.exp(slow.centre) + 4.0)
    measured = replayed(linear=Timed(took(4.3), both, took(4.3), slow), backward=50.0)
    assert not report.flags(measured, explain(measured, PARTS), EAGER, CPU)


def test_a_row_has_the_numbers_of_one_call() -> None:
    measured = replayed()
    explained = explain(measured, PARTS)
    row = report.part_row(LINEAR, measured, explained)
    assert row["count"] == 2
    assert row["forward_share"] == pytest.approx(2 * 4 / 13.9)
    assert row["dx_over_forward"] == pytest.approx(row["dw_over_forward"])
    assert row["gflops"]["forward"] == pytest.approx(2 * 64**3 / 4 / 1e9)
    assert len(report.cells(row)) == len(report.COLUMNS)


def test_a_workload_without_multiplies_has_no_factors_of_them() -> None:
    workload = Workload.of("op", {"op": "relu"})
    (relu,) = parts = distinct_parts(workload)
    timed = {relu: Timed(took(0.8), took(1.3), took(1.3))}
    measured = replace(replayed(), timed=timed)
    found = {factor.name: factor.value for factor in explain(measured, parts).factors}
    assert [found[name] for name in ("flops", "mix", "forward", "dX", "dW")] == [1] * 5
    assert found["memory"] == pytest.approx(2)
    assert not rates(relu, explain(measured, parts).net[relu])
