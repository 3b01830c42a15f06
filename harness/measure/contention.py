"""Who had the CPUs while a variant was measured, and whether its times drifted."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .stats import Estimate, finite, log_times, within

# Contention is judged by what took the CPUs: other processes (and the host) directly, or a program that got less of
# them than it did at its best. Involuntary switches are recorded but do not judge: a framework whose own threads
# outnumber the CPUs has hundreds a second on a quiet machine.
OTHERS_LIMIT = 0.10  # CPU time of others / (wall time x CPUs)
CPU_SHARE_LIMIT = 0.85  # CPU time of the program / the same at its best
GOOD_SHARE = 0.5  # with fewer good stretches than this, the good ones cannot be trusted either


@dataclass(frozen=True)
class Contention:
    """Whether too many stretches of time were disturbed, and the figures behind that."""

    noisy: bool
    reason: str


def contention(others: ArrayLike, cpu_share: ArrayLike) -> Contention:
    """Judges each stretch of time by who had the CPUs, never by its ratio, which would bias what is kept.

    others [n]: CPU time of everything else / (wall time x CPUs). cpu_share [n]: CPU time of the program over the same,
    relative to its own best, so that a program which leaves CPUs idle by itself is not blamed.
    """
    taken, share = finite(others, "others"), finite(cpu_share, "cpu_share")
    if taken.size != share.size:
        raise ValueError(f"{taken.size} shares of others and {share.size} cpu shares; expected one of each")
    for name, lowest in (("others", taken.min()), ("cpu_share", share.min())):
        if lowest < 0:
            raise ValueError(f"{name} is {lowest}; expected a share of 0 or more")
    bad = (taken >= OTHERS_LIMIT) | (share < CPU_SHARE_LIMIT)
    noisy = bool(np.mean(~bad) < GOOD_SHARE)
    reason = (
        f"{bad.sum()} of {bad.size} stretches disturbed: others took {np.median(taken):.0%} of the CPUs "
        f"(bad from {OTHERS_LIMIT:.0%}), the program had {np.median(share):.0%} of its best share "
        f"(bad below {CPU_SHARE_LIMIT:.0%})"
    )
    return Contention(noisy, reason)


@dataclass(frozen=True)
class Drift:
    """Relative change from the first half to the second, and whether that exceeds its 95 % error."""

    change: float
    significant: bool


def drift(times: ArrayLike) -> Drift:
    """Drift of forward + backward time over the rounds, times [n] in time order: a description, not a noise flag.

    What took the CPUs is found by `contention`; a drift hits both phases of a pair alike, and hardly their ratio. Each
    half needs two whole blocks for an error; with fewer, no change is significant. The smaller df is the cautious one.
    """
    logs = log_times(times)
    first, second = within(logs[: logs.size // 2]), within(logs[logs.size // 2 :])
    difference = Estimate(second.centre - first.centre, math.hypot(first.se, second.se), min(first.df, second.df))
    return Drift(math.expm1(difference.centre), abs(difference.centre) > difference.half_width())
