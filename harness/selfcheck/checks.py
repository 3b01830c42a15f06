"""Judgements on measured processes: is equal called equal, is a known delay found, do intervals hold?"""

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
RIGOROUS = 5  # processes of measure=rigorous, which must be enough for the slight delay
LEAST = 2 * RIGOROUS  # processes without which there is nothing to judge

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
    """The answer for a cell against "once" within the same processes; the change found, and its half-width."""
    found = compared(*differences(processes, other), sigma=0.0)
    return found.answer, found.change.centre - 1, (found.change.high - found.change.low) / 2


def differences(processes: Sequence[Process], other: str) -> tuple[list[float], list[float]]:
    """By how much a cell's logarithm of the ratio exceeds that of "once" in each process, and its standard errors."""
    old, new = (estimates([p[cell] for p in processes], "ratio") for cell in ("once", other))
    pairs = list(zip(old, new, strict=True))
    return [b.centre - a.centre for a, b in pairs], [math.hypot(a.se, b.se) for a, b in pairs]


def real_checks(processes: Sequence[Process]) -> list[Check]:
    """All that can be said of fresh processes of one program."""
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
    """Whether as many processes as `measure=rigorous` has give the right answer in three sets of four, and none the
    wrong one.
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
    """Share of processes whose own interval, by the sigma of the others, holds the mean of the others."""
    hits = 0
    for i, own in enumerate(found):
        others = [e for j, e in enumerate(found) if j != i]
        truth = float(np.mean([e.centre for e in others]))
        interval = stats.moderated([own.centre], [own.se], sigma_of(others), len(others) - 1)
        # The others' mean is itself uncertain by sigma / sqrt(n); that is no fault of the interval.
        hits += abs(own.centre - truth) <= interval.half_width() * math.sqrt(1 + 1 / len(others))
    return hits / len(found)
