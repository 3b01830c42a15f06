"""Compares two programs: the new one is slower, faster or the same, or the measurements cannot tell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from .stats import PRIOR_DF, Interval, moderated

SIGMA_DIFFERENCE_FLOOR = 0.003  # for paired differences, in which the offset of the process cancels


class Answer(StrEnum):
    """The new program compared with the old one."""

    SAME = "same"
    SLOWER = "slower"
    FASTER = "faster"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Comparison:
    """The answer, and `change`: the factor new / old with its 95 % interval."""

    answer: Answer
    change: Interval


def compared(
    differences: ArrayLike, ses: ArrayLike, sigma: float, margin: float = 0.02, d0: float = PRIOR_DF
) -> Comparison:
    """Compare new with old, given the difference of their centres in each process.

    "same": two one-sided tests at 5 % (Schuirmann 1987), that is, the 90 % interval lies inside +-ln(1 + margin).
    "slower" or "faster": otherwise, if the 95 % interval excludes 0. One process is never enough for "same".

    Args:
        differences: ln new - ln old of each process [P].
        ses: their standard errors [P], hypot(se new, se old) of `within`.
        sigma: the `process_sigma` of such differences when old is compared with itself; sqrt(2) times the process
            sigma if old and new ran in different processes.
        margin: the largest relative difference that still counts as "same".
        d0: weight of `sigma` in degrees of freedom.

    Raises:
        ValueError: an argument is out of range.
    """
    if not 0 < margin < math.inf:
        raise ValueError(f"margin is {margin}; expected a relative difference above 0, for example 0.02")
    estimate = moderated(differences, ses, max(sigma, SIGMA_DIFFERENCE_FLOOR), d0)
    processes = np.size(differences)
    if processes > 1 and abs(estimate.centre) + estimate.half_width(0.90) < math.log1p(margin):
        answer = Answer.SAME
    elif estimate.centre - estimate.half_width(0.95) > 0:
        answer = Answer.SLOWER
    elif estimate.centre + estimate.half_width(0.95) < 0:
        answer = Answer.FASTER
    else:  # also where a standard error is nan
        answer = Answer.CANNOT_TELL
    contains = f"one comparison, process to process and within process variation, {processes} processes"
    return Comparison(answer, estimate.interval(0.95, contains))
