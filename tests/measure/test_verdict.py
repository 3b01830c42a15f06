"""When to stop, who had the CPUs, what drifts, and which of two programs is slower: against simulated processes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.measure.stats import moderated, process_sigma, within
from harness.measure.verdict import Answer, Stop, drift, noise, stop, verdict
from tests.helpers.simulated_pairs import differences, simulate


def test_never_stops_before_the_floor_and_then_at_once_when_quiet():
    x = np.zeros(160)
    assert next(n for n in range(1, 161) if stop(x[:n]) != Stop.CONTINUE) == 48
    assert stop(x[:48]) == Stop.TARGET


def test_stop_answers_as_at_the_last_look():
    x = simulate(np.random.default_rng(6), (), 159)
    answers = [stop(x[:n]) for n in range(48, 160)]
    assert all(len(set(answers[i : i + 8])) == 1 for i in range(0, 112, 8))


def test_noise_that_no_cap_would_average_out_settles():
    rng = np.random.default_rng(7)
    settled = 0
    for x in simulate(rng, (40,), 160, noise=0.3):
        end = next(n for n in range(48, 161, 8) if stop(x[:n]) != Stop.CONTINUE)
        assert end >= 64  # three looks at the least
        settled += stop(x[:end]) == Stop.SETTLED
    assert settled >= 36


def test_stop_at_the_cap():
    grows = np.random.default_rng(8).standard_normal(64) * np.exp(np.arange(64) / 8)  # never a stable noise
    assert stop(grows, cap=64) == Stop.CAP
    assert stop(grows, cap=65) == Stop.CONTINUE
    with pytest.raises(ValueError, match=r"target is -0\.02"):
        stop(grows, target=-0.02)


# Pairs whose error falls as it should: alternating blocks.
EVEN = np.repeat(np.tile([0.0, 1.0], 20), 4)


def as_wide(times_target, pairs, x=EVEN):
    """So many pairs, the interval of which is so many times as wide as a target of 2 %."""
    return x[:pairs] * (times_target * math.log1p(0.02) / within(x[:pairs]).half_width())


def test_the_target_is_the_half_width():
    assert stop(as_wide(0.99, 48)) == Stop.TARGET
    assert stop(as_wide(1.01, 48)) == Stop.CONTINUE


def noise_of_looks(x, *pairs):
    """That of one pair, as each look sees it: the largest over the smallest."""
    noise = [within(x[:n]).half_width() * math.sqrt(n) for n in pairs]
    return max(noise) / min(noise)


def test_it_settles_only_where_the_cap_would_not_bring_the_target():
    assert noise_of_looks(EVEN, 112, 120, 128) < 1.1
    at_cap = math.sqrt(128 / 160)
    assert stop(as_wide(0.95 / at_cap, 128)) == Stop.CONTINUE
    assert stop(as_wide(1.05 / at_cap, 128)) == Stop.SETTLED
    assert stop(as_wide(1.05 / at_cap, 128), cap=200) == Stop.CONTINUE


def test_it_settles_only_where_the_noise_is_known_to_a_tenth():
    assert 1.1 < noise_of_looks(EVEN, 48, 56, 64) < 1.3
    assert stop(as_wide(10, 64)) == Stop.CONTINUE
    assert stop(as_wide(10, 128)) == Stop.SETTLED


def test_the_cap_is_160_pairs():
    grows = np.random.default_rng(8).standard_normal(160) * np.exp(np.arange(160) / 8)
    assert (stop(grows[:159]), stop(grows)) == (Stop.CONTINUE, Stop.CAP)


def test_noise_is_judged_by_who_had_the_cpus():
    others, share = np.array([0.0, 0.09, 0.10, 0.5, 0.0]), np.array([1.0, 0.95, 0.97, 0.4, 0.84])
    found = noise(others, share)
    assert found.bad.tolist() == [False, False, True, True, True]
    assert found.noisy
    assert found.reason == (
        "3 of 5 stretches disturbed: others took 9% of the CPUs (bad from 10%), "
        "the program had 95% of its best share (bad below 85%)"
    )
    assert not noise([0.0, 0.3], [1, 1]).noisy  # half of the stretches is enough


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, math.nan], [1, 1]), r"others\[1\] is nan"),
        (([1], [-0.5]), r"cpu_share is -0\.5"),
        (([-3.0], [1]), r"others is -3\.0"),
        (([1, 2], [1]), "2 shares of others and 1 cpu shares"),
    ],
)
def test_impossible_scheduling_figures_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        noise(*arguments)


def test_drift_is_seen_and_not_imagined():
    rng = np.random.default_rng(9)
    steady = 0.02 * np.exp(simulate(rng, (300,), 96, noise=0.05, wander=0))
    assert np.mean([drift(x).significant for x in steady]) < 0.08
    found = drift(steady[0] * np.repeat([1, 1.2], 48))
    assert found.significant and found.change == pytest.approx(0.2, abs=0.05)
    assert not drift([1.0, 2.0]).significant  # no error to judge by


def test_a_drift_must_exceed_the_error_of_both_halves():
    steady, uneven = np.ones(48), np.exp(0.4 * EVEN[:48])
    for times in (np.concatenate([steady, uneven]), np.concatenate([uneven, steady])):
        found = drift(times)
        assert abs(found.change) > 0.1 and not found.significant


@pytest.fixture(scope="module")
def verdicts():
    """500 comparisons over 5 processes of 192 pairs each, interleaved in one process, with a self-check of 8."""
    rng = np.random.default_rng(10)

    def cells(processes):
        return simulate(rng, (500, processes), 192, every=4)

    sigmas = [process_sigma(*differences(a, b), floor=0.003) for a, b in zip(cells(8), cells(8), strict=True)]
    measured = [differences(a, b) for a, b in zip(cells(5), cells(5), strict=True)]
    return lambda effect, processes=5: [
        verdict(d[:processes] + math.log1p(effect), se[:processes], sigma).answer
        for (d, se), sigma in zip(measured, sigmas, strict=True)
    ]


def test_the_same_program_twice_is_the_same(verdicts):
    answers = verdicts(0.0)
    assert answers.count(Answer.SAME) >= 0.95 * len(answers)
    assert answers.count(Answer.SLOWER) + answers.count(Answer.FASTER) <= 0.05 * len(answers)


def test_five_percent_is_slower_or_faster(verdicts):
    slower, faster = verdicts(0.05), verdicts(-0.05)
    assert slower.count(Answer.SLOWER) >= 0.99 * len(slower)
    assert faster.count(Answer.FASTER) >= 0.99 * len(faster)


def test_a_difference_of_the_margin_is_rarely_called_the_same(verdicts):
    answers = verdicts(0.02)
    assert answers.count(Answer.SAME) <= 0.05 * len(answers)


def test_one_process_is_never_enough_for_the_same(verdicts):
    assert Answer.SAME not in verdicts(0.0, processes=1)
    assert verdict([0.0], [0.0], 0.0).answer == Answer.CANNOT_TELL


def test_verdict_gives_its_numbers():
    found = verdict([0.05, 0.06, 0.04], [0.005] * 3, 0.0)
    assert found.answer == Answer.SLOWER and found.margin == 0.02
    assert found.change.centre == pytest.approx(math.exp(0.05))
    assert 1 < found.change.low < found.equivalence.low < found.equivalence.high < found.change.high
    assert verdict([0.0] * 3, [math.nan] * 3, 0.01).answer == Answer.CANNOT_TELL
    with pytest.raises(ValueError, match=r"margin is 0\.0"):
        verdict([0.0], [0.01], 0.01, margin=0.0)


def test_processes_that_agree_by_chance_do_not_prove_the_next():
    """Where a self-check saw no spread of differences, 0.3 % is assumed."""
    found = verdict([0.001, 0.001, 0.001], [0.0] * 3, 0.0)
    expected = moderated([0.001] * 3, [0.0] * 3, 0.003).interval(0.95, "")
    assert (found.change.low, found.change.high) == pytest.approx((expected.low, expected.high))
