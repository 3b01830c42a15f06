"""Every verdict of every rule, forced by records whose numbers are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from harness.claims.rules import RULES, AddedFlops, Flops, Matmuls, Operations, Time, TimeFactor, TimeOverFlops
from harness.claims.verdicts import Ruling
from harness.measure import stats
from harness.records import calibration
from harness.records.record import Record
from tests.helpers.claims import ALL, BACKWARD, CANNOT_TELL, FAILS, FORWARD, HOLDS, band, flops, ruling, times, verdict


# One process, and an assumed 2 % from process to process: an interval of about 6 % to each side.
@pytest.mark.parametrize(
    ("backward", "expected"),
    [
        (2.0, HOLDS), (1.75, HOLDS), (2.25, HOLDS),
        (1.2, FAILS), (1.35, FAILS), (3.0, FAILS), (2.8, FAILS),
        (1.5, CANNOT_TELL), (1.45, CANNOT_TELL), (2.55, CANNOT_TELL), (2.5, CANNOT_TELL),
    ],
)  # fmt: skip
def test_a_time_is_judged_by_both_of_its_bounds(
    variant: Callable[..., Record], backward: float, expected: Ruling
) -> None:
    found = verdict(band(Time, 1.5, 2.5), variant(backward))
    assert found.ruling is expected
    (finding,) = found.findings
    assert finding.low and finding.high and finding.low < backward < finding.high
    inside = finding.low >= 1.5 and finding.high <= 2.5
    outside = finding.high < 1.5 or finding.low > 2.5
    assert (expected is HOLDS, expected is FAILS) == (inside, outside)


def test_a_wide_interval_cannot_tell_what_a_narrow_one_of_the_same_centre_can(variant: Callable[..., Record]) -> None:
    wide = variant(samples=times(2.0, spread=1.5))
    assert ruling(band(Time, 1.5, 2.5), wide) is CANNOT_TELL
    assert ruling(band(Time, 1.5, 2.5), variant(2.0)) is HOLDS


def test_a_band_may_have_one_end(variant: Callable[..., Record]) -> None:
    assert ruling(band(Time, 1.5, None), variant(20.0)) is HOLDS
    assert ruling(band(Time, None, 1.5), variant(20.0)) is FAILS


def test_the_interval_is_that_of_the_records_ratio(variant: Callable[..., Record]) -> None:
    """As `build.py` makes it of the same samples."""
    made = variant(2.0)
    seconds = made.samples[0]["seconds"]
    logs = stats.log_ratio(seconds["backward"], seconds["forward"])
    expected = stats.log_interval([logs], calibration.ASSUMED.sigma["ratio"], calibration.ASSUMED.df)
    number = verdict(band(Time, 1.5, 2.5), made).findings[0]
    assert (number.low, number.centre, number.high) == pytest.approx((expected.low, expected.centre, expected.high))


def test_phases_are_added_up(variant: Callable[..., Record]) -> None:
    rule = Time(low=0.8, high=1.25, of=("tangent",), over=("forward", "backward"))
    assert ruling(rule, variant(samples=times(2.0, tangent=3.0))) is HOLDS
    assert ruling(rule, variant(samples=times(2.0, tangent=6.0))) is FAILS
    assert ruling(rule, variant(samples=times(2.0, tangent=3.75))) is CANNOT_TELL
    found = verdict(rule, variant(2.0))
    assert found.ruling is CANNOT_TELL
    assert "has no phase tangent" in found.why


@pytest.mark.parametrize(("counted", "expected"), [(5, HOLDS), (4, FAILS), (6, FAILS), (None, CANNOT_TELL)], ids=repr)
def test_multiplies_are_counted_exactly(variant: Callable[..., Record], counted: int | None, expected: Ruling) -> None:
    made = variant(depth=3)
    made.phases["backward"].matmuls = counted
    assert ruling(Matmuls("backward", 2, -1), made) is expected


def test_multiplies_are_asked_of_each_depth(variant: Callable[..., Record]) -> None:
    right = [variant(depth=d, counts={"executed_backward_matmuls": 2.0 * d - 1}) for d in (1, 2, 8)]
    assert ruling(Matmuls("backward", 2, -1), *right) is HOLDS
    wrong = variant(depth=4, counts={"executed_backward_matmuls": 8.0})
    found = verdict(Matmuls("backward", 2, -1), *right, wrong)
    assert found.ruling is FAILS
    assert "3 of 4 lie within, 1 outside, such as torch eager depth=4: 8" in found.why


def test_of_a_model_without_a_depth_multiplies_are_not_asked(variant: Callable[..., Record]) -> None:
    made = variant()
    made.workload["sizes"] = {"batch": 1}
    assert ruling(Matmuls("backward", 2, -1), made) is CANNOT_TELL


@pytest.mark.parametrize(
    ("backward", "expected"), [(200, HOLDS), (198, HOLDS), (202, HOLDS), (183, FAILS), (203, FAILS)]
)
def test_flops_are_counted_exactly(variant: Callable[..., Record], backward: int, expected: Ruling) -> None:
    assert ruling(band(Flops, 1.98, 2.02), variant(counts=flops(100, backward))) is expected
    assert ruling(band(Flops, 1.98, 2.02), variant()) is CANNOT_TELL


def test_an_optimizer_adds_its_operations_to_each_parameter(variant: Callable[..., Record]) -> None:
    rule = Flops(low=3, high=3, of=("backward", "update"), over=FORWARD, per_parameter=2)
    assert ruling(rule, variant(counts=flops(200, 400, executed_update_flops=0))) is HOLDS
    assert ruling(rule, variant(counts=flops(400, 800, executed_update_flops=0))) is FAILS
    assert ruling(rule, variant(counts=flops(200, 400))) is CANNOT_TELL


@pytest.mark.parametrize(
    ("backward", "expected"), [(2.0, HOLDS), (1.0, FAILS), (3.5, FAILS), (1.5, CANNOT_TELL), (2.5, CANNOT_TELL)]
)
def test_the_clock_is_compared_with_the_count(
    variant: Callable[..., Record], backward: float, expected: Ruling
) -> None:
    counts = flops(100, 200)
    assert ruling(band(TimeOverFlops, 0.75, 1.25), variant(backward, counts=counts)) is expected
    assert ruling(band(TimeOverFlops, 0.75, 1.25), variant(backward)) is CANNOT_TELL


def test_a_count_that_leaves_something_out_says_nothing(variant: Callable[..., Record]) -> None:
    """As XLA's of a product with a dimension of one; that torch recomputes is noted too, and is in its count."""
    rule = band(Flops, 1.98, 2.02)
    counts = flops(100, 150, forward_flops=100.0, backward_flops=200.0)
    short = variant(counts=counts, framework="jax")
    short.phases["backward"].note = "It is computed otherwise."
    assert ruling(rule, short) is CANNOT_TELL
    assert ruling(rule, variant(counts=flops(100, 200)), short) is HOLDS
    assert ruling(rule, variant(counts=flops(100, 300)), short) is FAILS
    found = verdict(rule, variant(counts=flops(100, 200)), short)
    assert [finding.ruling for finding in found.findings] == [HOLDS, None]
    assert "1 not counted" in found.why and "computed otherwise" in found.findings[1].why
    short.phases["backward"].flops = 250
    assert ruling(rule, short) is FAILS
    short.phases["backward"].flops, short.phases["backward"].note = 150, ""
    assert ruling(rule, short) is FAILS


@pytest.mark.parametrize(("backward", "expected"), [(300, HOLDS), (283, HOLDS), (200, FAILS), (400, FAILS)])
def test_what_a_choice_adds_is_counted_exactly(variant: Callable[..., Record], backward: int, expected: Ruling) -> None:
    store, every = variant(counts=flops(100, 200)), variant(counts=flops(100, backward), residuals="all")
    rule = band(AddedFlops, 0.825, 1.01, **ALL)
    found = verdict(rule, store, every)
    assert (found.ruling, len(found.findings)) == (expected, 1)
    assert ruling(rule, every) is CANNOT_TELL
    assert ruling(rule, replace(store, outcome="error"), every) is CANNOT_TELL
    assert ruling(rule, variant(), variant(residuals="all")) is CANNOT_TELL
    assert ruling(rule, variant(counts=flops(100, 200), framework="jax"), every) is CANNOT_TELL


# Two processes: 8 % to each side.
@pytest.mark.parametrize(
    ("backward", "expected"), [(3.0, HOLDS), (2.5, HOLDS), (2.0, FAILS), (1.5, FAILS), (2.2, CANNOT_TELL)]
)
@pytest.mark.parametrize("over", ["forward", "inference"])
def test_what_a_choice_does_to_a_time_is_judged_by_both_bounds(
    variant: Callable[..., Record], backward: float, expected: Ruling, over: str
) -> None:
    rule = TimeFactor(low=1.1, high=None, of=BACKWARD, over=(over,), **ALL)
    store = variant(samples=times(2.0, inference=1.0))
    every = variant(samples=times(backward, inference=1.0), residuals="all")
    assert ruling(rule, store, every) is expected
    assert ruling(rule, every) is CANNOT_TELL


def test_a_factor_of_times_that_do_not_differ_is_near_1_and_can_be_equal(variant: Callable[..., Record]) -> None:
    rule = band(TimeFactor, 0.9, 1.1, **ALL)
    assert ruling(rule, variant(2.0), variant(2.0, residuals="all")) is HOLDS
    assert ruling(rule, variant(2.0), variant(3.0, residuals="all")) is FAILS
    assert ruling(rule, variant(2.0), variant(2.2, residuals="all")) is CANNOT_TELL


@pytest.mark.parametrize(
    ("op", "ratio", "expected"), [("relu", 2, HOLDS), ("gelu", 13 / 9, FAILS), ("tanh", 3, FAILS), ("silu", 1, FAILS)]
)
def test_operations_of_one_op_are_those_that_its_rules_perform(
    record: Callable[..., Record], op: str, ratio: float, expected: Ruling
) -> None:
    made = record()
    made.workload = {**made.workload, "name": "op", "sizes": {"op": op, "batch": 2, "tokens": 2, "width": 4}}
    found = verdict(Operations(low=1.5, high=2.5), made)
    assert found.ruling is expected
    assert found.findings[0].centre == ratio
    assert ruling(Operations(low=1.5, high=2.5), record()) is CANNOT_TELL


def test_every_rule_is_tested_here() -> None:
    assert set(RULES.values()) == {Matmuls, Flops, AddedFlops, Operations, Time, TimeOverFlops, TimeFactor}
