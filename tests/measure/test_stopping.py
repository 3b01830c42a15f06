"""When to stop, against simulated processes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.measure.stats import within
from harness.measure.stopping import Stop, stop
from tests.helpers.simulated_pairs import simulate


def test_never_stops_before_the_floor_and_then_at_once_when_quiet() -> None:
    x = np.zeros(160)
    assert next(n for n in range(1, 161) if stop(x[:n]) != Stop.CONTINUE) == 48
    assert stop(x[:48]) == Stop.TARGET


def test_stop_answers_as_at_the_last_look() -> None:
    x = simulate(np.random.default_rng(6), (), 159)
    answers = [stop(x[:n]) for n in range(48, 160)]
    assert all(len(set(answers[i : i + 8])) == 1 for i in range(0, 112, 8))


def test_noise_that_no_cap_would_average_out_settles() -> None:
    rng = np.random.default_rng(7)
    settled = 0
    for x in simulate(rng, (40,), 160, noise=0.3):
        end = next(n for n in range(48, 161, 8) if stop(x[:n]) != Stop.CONTINUE)
        assert end >= 64  # three looks at the least
        settled += stop(x[:end]) == Stop.SETTLED
    assert settled >= 36


def test_stop_at_the_cap() -> None:
    grows = np.random.default_rng(8).standard_normal(64) * np.exp(np.arange(64) / 8)  # never a stable noise
    assert stop(grows, cap=64) == Stop.CAP
    assert stop(grows, cap=65) == Stop.CONTINUE
    with pytest.raises(ValueError, match=r"target is -0\.02"):
        stop(grows, target=-0.02)


# Pairs whose error falls as it should: alternating stretches.
EVEN = np.repeat(np.tile([0.0, 1.0], 20), 4)


def as_wide(times_target: float, pairs: int, x: np.ndarray = EVEN) -> np.ndarray:
    """So many pairs, the interval of which is so many times as wide as a target of 2 %."""
    return x[:pairs] * (times_target * math.log1p(0.02) / within(x[:pairs]).half_width())


def test_the_target_is_the_half_width() -> None:
    assert stop(as_wide(0.99, 48)) == Stop.TARGET
    assert stop(as_wide(1.01, 48)) == Stop.CONTINUE


def noise_of_looks(x: np.ndarray, *pairs: int) -> float:
    """That of one pair, as each look sees it: the largest over the smallest."""
    noise = [within(x[:n]).half_width() * math.sqrt(n) for n in pairs]
    return max(noise) / min(noise)


def test_it_settles_only_where_the_cap_would_not_bring_the_target() -> None:
    assert noise_of_looks(EVEN, 112, 120, 128) < 1.1
    at_cap = math.sqrt(128 / 160)
    assert stop(as_wide(0.95 / at_cap, 128)) == Stop.CONTINUE
    assert stop(as_wide(1.05 / at_cap, 128)) == Stop.SETTLED
    assert stop(as_wide(1.05 / at_cap, 128), cap=200) == Stop.CONTINUE


def test_it_settles_only_where_the_noise_is_known_to_a_tenth() -> None:
    assert 1.1 < noise_of_looks(EVEN, 48, 56, 64) < 1.3
    assert stop(as_wide(10, 64)) == Stop.CONTINUE
    assert stop(as_wide(10, 128)) == Stop.SETTLED


def test_the_cap_is_160_pairs() -> None:
    grows = np.random.default_rng(8).standard_normal(160) * np.exp(np.arange(160) / 8)
    assert (stop(grows[:159]), stop(grows)) == (Stop.CONTINUE, Stop.CAP)
