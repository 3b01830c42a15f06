"""Which of two programs is slower, against simulated processes."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from harness.measure.comparison import Answer, compared
from harness.measure.stats import moderated, process_sigma
from tests.helpers.simulated_pairs import differences, simulate


@pytest.fixture(scope="module")
def answers() -> Callable[..., list[Answer]]:
    """500 comparisons over 5 processes of 192 pairs each, interleaved in one process, with a self-check of 8."""
    rng = np.random.default_rng(10)

    def cells(processes: int) -> np.ndarray:
        return simulate(rng, (500, processes), 192, every=4)

    sigmas = [process_sigma(*differences(a, b), floor=0.003) for a, b in zip(cells(8), cells(8), strict=True)]
    measured = [differences(a, b) for a, b in zip(cells(5), cells(5), strict=True)]
    return lambda effect, processes=5: [
        compared(d[:processes] + math.log1p(effect), se[:processes], sigma).answer
        for (d, se), sigma in zip(measured, sigmas, strict=True)
    ]


def test_the_same_program_twice_is_the_same(answers: Callable[..., list[Answer]]) -> None:
    given = answers(0.0)
    assert given.count(Answer.SAME) >= 0.95 * len(given)
    assert given.count(Answer.SLOWER) + given.count(Answer.FASTER) <= 0.05 * len(given)


def test_five_percent_is_slower_or_faster(answers: Callable[..., list[Answer]]) -> None:
    slower, faster = answers(0.05), answers(-0.05)
    assert slower.count(Answer.SLOWER) >= 0.99 * len(slower)
    assert faster.count(Answer.FASTER) >= 0.99 * len(faster)


def test_a_difference_of_the_margin_is_rarely_called_the_same(answers: Callable[..., list[Answer]]) -> None:
    given = answers(0.02)
    assert given.count(Answer.SAME) <= 0.05 * len(given)


def test_one_process_is_never_enough_for_the_same(answers: Callable[..., list[Answer]]) -> None:
    assert Answer.SAME not in answers(0.0, processes=1)
    assert compared([0.0], [0.0], 0.0).answer == Answer.CANNOT_TELL


def test_verdict_gives_its_numbers() -> None:
    found = compared([0.05, 0.06, 0.04], [0.005] * 3, 0.0)
    assert found.answer == Answer.SLOWER
    assert found.change.centre == pytest.approx(math.exp(0.05))
    assert 1 < found.change.low < found.change.centre < found.change.high
    assert compared([0.0] * 3, [math.nan] * 3, 0.01).answer == Answer.CANNOT_TELL
    with pytest.raises(ValueError, match=r"margin is 0\.0"):
        compared([0.0], [0.01], 0.01, margin=0.0)


def test_processes_that_agree_by_chance_do_not_prove_the_next() -> None:
    """Where a self-check saw no spread of differences, 0.3 % is assumed."""
    found = compared([0.001, 0.001, 0.001], [0.0] * 3, 0.0)
    expected = moderated([0.001] * 3, [0.0] * 3, 0.003).interval(0.95, "")
    assert (found.change.low, found.change.high) == pytest.approx((expected.low, expected.high))
