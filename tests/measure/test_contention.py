"""Who had the CPUs, and what drifts, against simulated processes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from harness.measure.contention import contention, drift
from tests.helpers.simulated_pairs import simulate

# Pairs whose error falls as it should: alternating blocks.
EVEN = np.repeat(np.tile([0.0, 1.0], 20), 4)


def test_noise_is_judged_by_who_had_the_cpus() -> None:
    others, share = np.array([0.0, 0.09, 0.10, 0.5, 0.0]), np.array([1.0, 0.95, 0.97, 0.4, 0.84])
    found = contention(others, share)
    assert found.noisy
    assert found.reason == (
        "3 of 5 spans disturbed: others took 9% of the CPUs (bad from 10%), "
        "the program had 95% of its best share (bad below 85%)"
    )
    assert not contention([0.0, 0.3], [1, 1]).noisy  # half of the spans is enough


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, math.nan], [1, 1]), r"others\[1\] is nan"),
        (([1], [-0.5]), r"cpu_share is -0\.5"),
        (([-3.0], [1]), r"others is -3\.0"),
        (([1, 2], [1]), "2 shares of others and 1 cpu shares"),
    ],
)
def test_impossible_scheduling_figures_are_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        contention(*arguments)


def test_drift_is_seen_and_not_imagined() -> None:
    rng = np.random.default_rng(9)
    steady = 0.02 * np.exp(simulate(rng, (300,), 96, noise=0.05, wander=0))
    assert np.mean([drift(x).significant for x in steady]) < 0.08
    found = drift(steady[0] * np.repeat([1, 1.2], 48))
    assert found.significant and found.change == pytest.approx(0.2, abs=0.05)
    assert not drift([1.0, 2.0]).significant  # no error to judge by


def test_a_drift_must_exceed_the_error_of_both_halves() -> None:
    steady, uneven = np.ones(48), np.exp(0.4 * EVEN[:48])
    for times in (np.concatenate([steady, uneven]), np.concatenate([uneven, steady])):
        found = drift(times)
        assert abs(found.change) > 0.1 and not found.significant
