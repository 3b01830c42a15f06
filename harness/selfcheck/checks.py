"""Checks of measured processes: are equal cells called equal, are known delays found, do intervals hold?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..measure import stats
from ..measure.clock import Samples
from ..measure.comparison import Answer, compared
from .processes import estimates, sigma_of

DELAY, SLIGHT_DELAY = 0.05, 0.02
CELLS = {"once": 0.0, "again": 0.0, "delayed": DELAY, "slightly": SLIGHT_DELAY}  # share by which backward is prolonged
RIGOROUS = 5  # processes of measure=rigorous, which must suffice to find the slight delay
LEAST = 2 * RIGOROUS  # fewer processes cannot be judged

Process = dict[str, Samples]


@dataclass(frozen=True)
class Check:
    """One line of the self-check."""

    name: str
    good: bool
    seen: str

    def __str__(self) -> str:
        return f"{'ok  ' if self.good else 'FAIL'} {self.name}: {self.seen}"


def judge(processes: Sequence[Process], other: str) -> tuple[Answer, float, float]:
    """Compare a cell with "once" in the same processes. Returns the answer, the relative change and its half-width."""
    found = compared(*differences(processes, other), sigma=0.0)
    return found.answer, found.change.centre - 1, (found.change.high - found.change.low) / 2


def differences(processes: Sequence[Process], other: str) -> tuple[list[float], list[float]]:
    """ln(ratio) of a cell less that of "once", for each process; and the standard errors of these differences."""
    old, new = (estimates([p[cell] for p in processes], "ratio") for cell in ("once", other))
    pairs = list(zip(old, new, strict=True))
    return [b.centre - a.centre for a, b in pairs], [math.hypot(a.se, b.se) for a, b in pairs]


def real_checks(processes: Sequence[Process]) -> list[Check]:
    """All checks of fresh processes of one program."""
    slower, delay, width = judge(processes, "delayed")
    held = coverage(estimates([p["once"] for p in processes], "ratio"))
    return [
        in_sets(processes, "again", Answer.SAME, {Answer.SLOWER, Answer.FASTER}, "the same cell twice is the same"),
        Check(
            f"a delay of {DELAY:.0%} is found",
            slower is Answer.SLOWER and abs(delay - DELAY) < max(width, 0.01),
            f"{slower}, {delay:+.2%} ± {width:.2%}",
        ),
        in_sets(
            processes,
            "slightly",
            Answer.SLOWER,
            {Answer.SAME, Answer.FASTER},
            f"a delay of {SLIGHT_DELAY:.0%} is found",
        ),
        Check("coverage of the 95 % interval, real", held >= 0.85, f"{held:.0%} of {len(processes)} processes"),
    ]


def in_sets(processes: Sequence[Process], other: str, right: Answer, wrong: set[Answer], name: str) -> Check:
    """Check that sets of `RIGOROUS` processes give the right answer.

    At least three in four sets must give the right answer, and none a wrong one.
    """
    sets = [processes[i : i + RIGOROUS] for i in range(0, len(processes) - RIGOROUS + 1, RIGOROUS)]
    answers = [judge(each, other)[0] for each in sets]
    _, change, width = judge(processes, other)
    return Check(
        f"{name} by {RIGOROUS} processes",
        answers.count(right) >= 0.75 * len(sets) and not wrong & set(answers),
        f"in {answers.count(right)} of {len(sets)} sets; {change:+.2%} ± {width:.2%} over all",
    )


def coverage(found: Sequence[stats.Estimate]) -> float:
    """Share of processes whose interval, computed with the sigma of the others, contains the mean of the others."""
    hits = 0
    for i, own in enumerate(found):
        others = [e for j, e in enumerate(found) if j != i]
        truth = float(np.mean([e.centre for e in others]))
        interval = stats.moderated([own.centre], [own.se], sigma_of(others), len(others) - 1)
        # The others' mean is itself uncertain by sigma / sqrt(n); that is no fault of the interval.
        hits += abs(own.centre - truth) <= interval.half_width() * math.sqrt(1 + 1 / len(others))
    return hits / len(found)
