"""The estimator against known truth: simulated processes with pair noise, slow drift, bursts and process offsets."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import stdtrit

from harness.measure.stats import (
    between,
    log_interval,
    log_ratio,
    log_times,
    moderated,
    process_sigma,
    trimmed_mean,
    within,
)
from tests.helpers.simulated_pairs import centres_and_errors, simulate

SIGMA = 0.015


# scipy.stats.t.ppf, SciPy 1.17.1.
def test_trimmed_mean_drops_a_fifth_from_each_end() -> None:
    assert trimmed_mean([1e9, 1, 2, 3, -1e9]) == 2
    assert trimmed_mean([0, 3], share=0.0) == 1.5
    with pytest.raises(ValueError, match=r"share is 0\.5"):
        trimmed_mean([1, 2], share=0.5)


def test_known_ratio_is_recovered_among_bursts() -> None:
    rng = np.random.default_rng(1)
    forward = 0.007 * np.exp(simulate(rng, (), 4000, noise=0.05, wander=0, bursts=0.1))
    found = log_interval([log_ratio(1.9 * forward * np.exp(simulate(rng, (), 4000)), forward)])
    assert found.centre == pytest.approx(1.9, rel=0.01)
    assert found.low < 1.9 < found.high


def test_error_within_follows_yuen_by_hand() -> None:
    stretches = np.array([5.0, 1, 4, 2, 100, 3])  # K = 6: one cut from each end, 4 kept, winsorised at 2 and 5
    found = within(np.repeat(stretches, 4))
    # Alternating stretches: no positive autocorrelation, so no correction.
    assert found.se == pytest.approx(np.std([2, 2, 3, 4, 5, 5], ddof=1) * math.sqrt(5 / (4 * 3)))
    assert found.df == 3


def test_autocorrelated_stretches_widen_the_error() -> None:
    rng = np.random.default_rng(2)
    slow = simulate(rng, (), 400, noise=0.01, wander=0.05)
    assert within(slow).se > 2 * within(rng.permutation(slow)).se


def test_the_correction_for_autocorrelation_by_hand() -> None:
    stretches = np.array([0.0, 0, 1, 1, 1, 0, 0, 1])  # K = 8: lag-1 autocorrelation 1/8, and 1/K for its bias
    uncorrected = math.sqrt(8 / 4 / 7) * math.sqrt(7 / (6 * 5))
    assert within(np.repeat(stretches, 4)).se == pytest.approx(uncorrected * math.sqrt(1.25 / 0.75))


def test_the_correction_for_autocorrelation_has_a_limit() -> None:
    stretches = np.arange(10.0)  # lag-1 autocorrelation 0.7, and 0.1 for its bias
    uncorrected = np.std([2, 2, 2, 3, 4, 5, 6, 7, 7, 7], ddof=1) * math.sqrt(9 / (6 * 5))
    assert within(np.repeat(stretches, 4)).se == pytest.approx(uncorrected * math.sqrt(1.7 / 0.3))


def test_one_burst_does_not_hide_a_drift() -> None:
    drifting = np.arange(20.0)
    drifting[10] = 1e6
    ordered = np.sort(drifting)
    alternating = np.stack([ordered[:10], ordered[10:]], axis=1).ravel()  # the same values without a drift
    assert within(np.repeat(drifting, 4)).se > 1.5 * within(np.repeat(alternating, 4)).se


def test_two_trials_alone_by_hand() -> None:
    trials = [np.repeat([0.5, 0.7] * 6, 4), np.repeat([0.6, 0.8] * 3, 4)]
    one, other = map(within, trials)
    assert one.df > other.df == 3
    found = log_interval(trials)
    assert found.centre == pytest.approx(math.exp(0.65))
    half = stdtrit(3, 0.975) * math.sqrt(one.se**2 + other.se**2) / 2
    assert (found.low, found.high) == pytest.approx((math.exp(0.65 - half), math.exp(0.65 + half)))


@pytest.mark.parametrize("pairs", range(1, 30))
def test_within_is_defined_for_any_number_of_pairs(pairs: int) -> None:
    found = within(np.sin(np.arange(pairs)))
    assert math.isfinite(found.centre)
    assert math.isfinite(found.se) == (pairs >= 8)


def test_equal_pairs_have_no_error() -> None:
    assert within([0.5] * 48).se == 0


def test_moderated_t_follows_its_formula_by_hand() -> None:
    found = moderated([0.60, 0.64, 0.62], [0.01, 0.02, 0.03], sigma=0.02, d0=4)
    s0 = (0.0001 + 0.0004 + 0.0009) / 3 + 0.0004
    assert found.centre == pytest.approx(0.62)
    assert found.df == 6
    assert found.se == pytest.approx(math.sqrt((4 * s0 + 0.0008) / 6 / 3))


def test_process_sigma_removes_the_error_within_and_has_a_floor() -> None:
    assert process_sigma([0.0, 0.04], [0.01, 0.01]) == pytest.approx(math.sqrt(0.0008 - 0.0001))
    assert process_sigma([0.7, 0.7, 0.7], [0.01, 0.01, 0.01]) == 0.005


@pytest.fixture(scope="module")
def coverage_data() -> tuple[list[float], np.ndarray]:
    """500 experiments: a self-check of 8 processes and 5 processes to measure, the truth being ln R = 0."""
    rng = np.random.default_rng(3)
    check = simulate(rng, (500, 8), 128, offset=SIGMA)
    sigmas = [process_sigma(*centres_and_errors(trials)) for trials in check]
    return sigmas, simulate(rng, (500, 5), 128, offset=SIGMA)


@pytest.mark.parametrize("processes", [1, 3, 5])
def test_moderated_interval_covers_the_truth(coverage_data: tuple[list[float], np.ndarray], processes: int) -> None:
    found = [log_interval(list(x[:processes]), sigma) for sigma, x in zip(*coverage_data, strict=True)]
    assert 0.93 <= np.mean([i.low <= 1 <= i.high for i in found]) <= 0.99


def test_interval_between_trials_covers_the_truth_without_a_self_check(
    coverage_data: tuple[list[float], np.ndarray],
) -> None:
    found = [log_interval(list(x[:3])) for x in coverage_data[1]]
    assert 0.93 <= np.mean([i.low <= 1 <= i.high for i in found]) <= 0.97


def test_interval_within_one_process_does_not_cover_and_says_so(coverage_data: tuple[list[float], np.ndarray]) -> None:
    found = [log_interval([x[0]]) for x in coverage_data[1]]
    assert np.mean([i.low <= 1 <= i.high for i in found]) < 0.85
    assert found[0].contains == "this process only; variation from process to process is not covered"


def test_intervals_say_what_they_contain() -> None:
    x = simulate(np.random.default_rng(4), (3,), 64)
    assert log_interval(list(x)).contains == "process to process and within process variation, 3 trials"
    assert "1 trial and a process sigma of 1.5%" in log_interval([x[0]], 0.015).contains
    assert "these 2 processes only" in log_interval(list(x[:2])).contains
    short = log_interval([x[0, :7]], 0.015)
    assert math.isnan(short.low) and math.isnan(short.high) and short.contains.startswith("nothing")


def test_many_processes_and_no_trust_in_the_prior_is_student_t() -> None:
    e = np.random.default_rng(5).normal(0.6, 0.02, 400)
    assert moderated(e, np.full(400, 0.01), 0.02, d0=1).se == pytest.approx(between(e).se, rel=0.01)


times = st.lists(st.floats(1e-5, 10), min_size=8, max_size=60)


@given(times, st.data(), st.floats(1e-3, 1e3))
@settings(max_examples=40, deadline=None)
def test_scaling_and_swapping(backward: list[float], data: st.DataObject, scale: float) -> None:
    forward = data.draw(st.lists(st.floats(1e-5, 10), min_size=len(backward), max_size=len(backward)))
    found = log_interval([log_ratio(backward, forward)], 0.01)
    same_unit = log_interval([log_ratio(np.array(backward) * scale, np.array(forward) * scale)], 0.01)
    slower = log_interval([log_ratio(np.array(backward) * scale, forward)], 0.01)
    swapped = log_interval([log_ratio(forward, backward)], 0.01)
    for bound in ("centre", "low", "high"):
        assert getattr(same_unit, bound) == pytest.approx(getattr(found, bound), rel=1e-6)
        assert getattr(slower, bound) == pytest.approx(scale * getattr(found, bound), rel=1e-6)
    assert (swapped.low, swapped.high) == pytest.approx((1 / found.high, 1 / found.low), rel=1e-6)


@given(st.lists(st.floats(-1, 1), min_size=48, max_size=48), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_order_matters_only_where_it_must(x: list[float], random: Random) -> None:
    within_stretches = [random.sample(x[i : i + 4], 4) for i in range(0, 48, 4)]
    assert within(np.concatenate(within_stretches)).se == pytest.approx(within(x).se)
    assert trimmed_mean(random.sample(x, 48)) == pytest.approx(trimmed_mean(x), abs=1e-12)
    trials = [x[:16], x[16:32], x[32:]]
    for sigma in (None, 0.01):
        one, other = log_interval(trials, sigma), log_interval(random.sample(trials, 3), sigma)
        assert (one.low, one.high) == pytest.approx((other.low, other.high))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 0.0, -0.25])
def test_impossible_times_are_refused_by_name(bad: float) -> None:
    with pytest.raises(ValueError, match=rf"denominator\[1\] is {bad}"):
        log_ratio([1.0, 2.0, 3.0], [1.0, bad, 3.0])


def test_other_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="2 numerators and 1 denominators"):
        log_ratio([1, 2], [1])
    with pytest.raises(ValueError, match=r"times have shape \(0,\)"):
        log_times([])
    with pytest.raises(ValueError, match="0 trials"):
        log_interval([])
    with pytest.raises(ValueError, match=r"sigma is -0\.1"):
        moderated([0.1], [0.1], -0.1)
    with pytest.raises(ValueError, match="d0 is 0"):
        moderated([0.1], [0.1], 0.1, d0=0)
    with pytest.raises(ValueError, match="2 centres and 1 standard errors"):
        moderated([0.1, 0.2], [0.1], 0.1)
    with pytest.raises(ValueError, match="at least 2 processes"):
        process_sigma([0.1], [0.1])
