"""Many comparisons at once: how often the same code raises any alarm, and what change is still found."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.measure.comparison import SIGMA_DIFFERENCE_FLOOR, Answer
from harness.measure.family import Difference, compared_together, holm
from harness.measure.stats import moderated
from tests.helpers.simulated_sweeps import Known, Noise, alarms, simulated

CHECKED = Known(time=0.02, ratio=0.012)
MACHINES = {
    "quiet": Noise(),
    "some processes far off": Noise(time=0.03, ratio=0.02, tails=3),
    "slower the second time": Noise(time=0.02, machine=0.05, workload=0.03),
    "twice as noisy as assumed": Noise(time=0.10, ratio=0.04),
}


@pytest.mark.slow
@pytest.mark.parametrize("trials", [1, 2, 3, 5])
@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("cells", [20, 200])
def test_of_a_hundred_comparisons_of_the_same_code_at_most_five_raise_any_alarm(
    cells: int, machine: str, trials: int
) -> None:
    """The number that the project states: for whole sweeps of 200 cells, and for those of default size."""
    generator = np.random.default_rng(16)
    alarmed = [alarms(simulated(generator, cells, trials, MACHINES[machine])) > 0 for _ in range(100)]
    assert sum(alarmed) <= 5


@pytest.mark.parametrize("together", [False, True])
def test_the_same_code_measured_by_three_trials_raises_no_alarm(together: bool) -> None:
    generator = np.random.default_rng(3)
    for machine in MACHINES.values():
        alarmed = [alarms(simulated(generator, 50, 3, machine, in_same_rounds=together)) > 0 for _ in range(10)]
        assert sum(alarmed) <= 1


def share_found(
    backward: Any, cells: Any, trials: int, known: Any = None, together: Any = False, noise: Any = MACHINES["quiet"]
) -> Any:
    """The share of the changed cells, which are the first, whose backward is slower; over ten comparisons."""
    generator = np.random.default_rng(4)
    answers = [
        comparison.answer
        for _ in range(10)
        for comparison in simulated(generator, cells, trials, noise, known, backward, together)["backward"][
            : len(backward)
        ]
    ]
    return answers.count(Answer.SLOWER) / len(answers)


def test_a_fifth_more_in_one_of_two_hundred_cells_is_found_by_three_trials_in_the_same_rounds() -> None:
    assert share_found([1.2], 200, 3, together=True) >= 0.9
    assert share_found([1.01], 200, 3, together=True) == 0


def test_a_self_check_finds_between_two_sweeps_what_an_assumption_does_not() -> None:
    assert share_found([1.2], 200, 3, CHECKED) >= 0.9
    assert share_found([1.2], 200, 3) <= 0.1


def test_a_change_of_half_of_all_cells_does_not_hide_itself() -> None:
    assert share_found([2.0] * 20, 40, 3) >= 0.9
    assert share_found([1.3] * 40, 40, 3, together=True) >= 0.98


def difference(centres: Any, **changes: Any) -> Any:
    made = Difference("forward", "torch", centres, [0.001] * len(centres), 0.01, 19)
    return replace(made, **changes)


def answers_of(differences: Any) -> Any:
    return [comparison.answer for comparison in compared_together(differences)]


def test_what_changes_everything_is_told_only_where_the_machine_cannot_have_done_it() -> None:
    slower = [difference([0.06 + 0.001 * (i % 3)] * 3) for i in range(20)]
    assert set(answers_of(slower)) == {Answer.CANNOT_TELL}
    assert set(answers_of([replace(each, in_same_rounds=True) for each in slower])) == {Answer.SLOWER}
    assert set(answers_of(slower[:5])) == {Answer.SLOWER}, "of a few cells nobody knows what they have in common"
    assert answers_of([*slower[1:], difference([0.36] * 3)])[-1] is Answer.SLOWER
    assert set(answers_of([difference([0.5] * 3) for _ in range(20)])) == {Answer.SLOWER}, "no idle machine does that"


def test_a_difference_below_two_percent_is_no_alarm_however_sure_it_is() -> None:
    exact = {"sigma": 0.0, "in_same_rounds": True}
    below, above = difference([0.0195] * 5, **exact), difference([0.03] * 5, **exact)
    assert answers_of([below]) == [Answer.CANNOT_TELL] and answers_of([above]) == [Answer.SLOWER]
    assert answers_of([difference([-0.03] * 5, **exact)]) == [Answer.FASTER]


def test_nothing_is_told_of_what_was_disturbed_or_has_no_error() -> None:
    assert answers_of([difference([1.0] * 5, disturbed=True)]) == [Answer.CANNOT_TELL]
    assert answers_of([difference([1.0], ses=[math.nan])]) == [Answer.CANNOT_TELL]


def test_one_comparison_alone_is_as_it_would_be_without_a_family() -> None:
    (found,) = compared_together([difference([0.05, 0.06])])
    expected = moderated([0.05, 0.06], [0.001] * 2, 0.01, 19).interval(0.95, "")
    assert (found.change.low, found.change.high) == pytest.approx((expected.low, expected.high))
    (found,) = compared_together([difference([0.05, 0.05], ses=[0.0, 0.0], sigma=0.0)])
    expected = moderated([0.05] * 2, [0.0] * 2, SIGMA_DIFFERENCE_FLOOR, 19).interval(0.95, "")
    assert (found.change.low, found.change.high) == pytest.approx((expected.low, expected.high))


def test_the_more_is_compared_the_surer_an_alarm_must_be() -> None:
    suspect = difference([0.025] * 2)
    assert answers_of([suspect]) == [Answer.SLOWER]
    assert answers_of([suspect, *(difference([0.0], quantity=str(i)) for i in range(200))])[0] is Answer.CANNOT_TELL


def test_holm_is_that_of_the_textbook() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
