"""Whether one program is slower than another, faster, or the same; or whether that cannot be told."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from .stats import PRIOR_DF, Interval, moderated

SIGMA_DIFFERENCE_FLOOR = 0.003  # of paired differences, where the offset of the process cancels


class Answer(StrEnum):
    SAME = "same"
    SLOWER = "slower"
    FASTER = "faster"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Comparison:
    """The answer, and the factor new / old with its 95 % interval."""

    answer: Answer
    change: Interval


def compared(
    differences: ArrayLike, ses: ArrayLike, sigma: float, margin: float = 0.02, d0: float = PRIOR_DF
) -> Comparison:
    """Compares new with old from the difference of their centres (ln new - ln old) in each process [P].

    "same": two one-sided tests at 5 % (Schuirmann 1987), that is, the 90 % interval lies inside +-ln(1 + margin).
    "slower" or "faster": else, if the 95 % interval excludes 0. ses [P] is hypot(se new, se old) of `within`. sigma is
    the `process_sigma` of such differences when old is compared with itself; for old and new in different processes,
    sqrt(2) times the process sigma. One process is never enough for "same".
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
