"""The spread that cells have in common, from their trials, where it is known."""

from __future__ import annotations

import numpy as np
import pytest

from harness.measure.pooling import LEAST_DF, MOST_DF, pooled_spread


def cells(sigmas, trials=3, inside=0.01, seed=5):
    """Centres of cells whose processes differ by so much, and their standard errors."""
    generator = np.random.default_rng(seed)
    spread = np.hypot(np.asarray(sigmas), inside)[:, None]
    centres = spread * generator.standard_normal((len(sigmas), trials))
    return list(centres), [np.full(trials, inside)] * len(sigmas)


def test_the_spread_is_recovered_without_the_error_inside_processes():
    sigma, df = pooled_spread(*cells([0.02] * 400, trials=5), floor=0.003)
    assert sigma == pytest.approx(0.02, rel=0.1)
    assert 8 < df <= MOST_DF


def test_cells_that_differ_in_their_spread_keep_more_of_their_own():
    uneven = [0.005, 0.08] * 200
    assert pooled_spread(*cells(uneven), floor=0.003)[1] < 3


def test_trials_that_agree_prove_no_more_than_the_floor():
    assert pooled_spread([[0.0, 0.0]] * 30, [[0.0, 0.0]] * 30, floor=0.003)[0] == 0.003


def test_too_few_trials_say_nothing():
    few, enough = cells([0.02] * (LEAST_DF // 2 - 1)), cells([0.02] * (LEAST_DF // 2))
    assert pooled_spread(*few, floor=0.003) is None
    assert pooled_spread(*enough, floor=0.003) is not None
    assert pooled_spread(*cells([0.02] * 100, trials=1), floor=0.003) is None, "of one trial each"
