"""The spread that cells have in common, from their trials, where it is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from harness.measure.pooling import LEAST_DF, MOST_DF, pooled_spread

FLOOR = 0.003


def cells(
    sigmas: Sequence[float], trials: int = 3, inside: float = 0.01, seed: int = 5
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Centres of cells whose processes differ by so much, and their standard errors."""
    generator = np.random.default_rng(seed)
    spread = np.hypot(np.asarray(sigmas), inside)[:, None]
    centres = spread * generator.standard_normal((len(sigmas), trials))
    return list(centres), [np.full(trials, inside)] * len(sigmas)


def pooled(centres: Sequence[np.ndarray], errors: Sequence[np.ndarray]) -> tuple[float, float]:
    """The spread and its degrees of freedom, where there is one."""
    spread = pooled_spread(centres, errors, floor=FLOOR)
    assert spread is not None
    return spread


def test_the_spread_is_recovered_without_the_error_inside_processes() -> None:
    sigma, df = pooled(*cells([0.02] * 400, trials=5))
    assert sigma == pytest.approx(0.02, rel=0.1)
    assert 8 < df <= MOST_DF


def test_cells_that_differ_in_their_spread_keep_more_of_their_own() -> None:
    uneven = [0.005, 0.08] * 200
    assert pooled(*cells(uneven))[1] < 3


def test_trials_that_agree_prove_no_more_than_the_floor() -> None:
    assert pooled([np.zeros(2)] * 30, [np.zeros(2)] * 30)[0] == FLOOR


def test_too_few_trials_say_nothing() -> None:
    few, enough = cells([0.02] * (LEAST_DF // 2 - 1)), cells([0.02] * (LEAST_DF // 2))
    assert pooled_spread(few[0], few[1], floor=FLOOR) is None
    assert pooled_spread(enough[0], enough[1], floor=FLOOR) is not None
    centres, errors = cells([0.02] * 100, trials=1)
    assert pooled_spread(centres, errors, floor=FLOOR) is None, "of one trial each"
