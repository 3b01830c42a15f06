"""Judgements on timings: enough pairs yet? a quiet machine? a drift? and is one program slower than another?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .stats import BLOCK, PRIOR_DF, Estimate, Interval, finite, log_times, moderated, within

FLOOR_BLOCKS = 12  # looking earlier costs up to 10 points of coverage; from 12 blocks on, 1 point at most
BLOCKS_PER_LOOK = 2
CAP_PAIRS = 160  # beyond, time is better spent on another process
STABLE_LOOKS, STABLE_WITHIN = 3, 0.1  # a noise estimate is stable when so many looks agree to 10 %

# Contention is judged by what took the CPUs: other processes (and the host) directly, or a program that got less of
# them than it did at its best. Involuntary switches are recorded but do not judge: a framework whose own threads
# outnumber the CPUs has hundreds a second on a quiet machine.
OTHERS_LIMIT = 0.10  # CPU time of others / (wall time x CPUs)
CPU_SHARE_LIMIT = 0.85  # CPU time of the program / the same at its best
GOOD_SHARE = 0.5  # fewer good pairs than this, and the good ones are not to be trusted either

SIGMA_DIFFERENCE_FLOOR = 0.003  # of paired differences, where the offset of the process cancels


class Stop(StrEnum):
    """Whether to go on; running out of budget is the caller's to say."""

    CONTINUE = "continue"
    TARGET = "target"  # the interval inside this process is as narrow as asked
    SETTLED = "settled"  # the noise is known, and the cap would not bring the target
    CAP = "cap"


def stop(x: ArrayLike, target: float = 0.02, cap: int = CAP_PAIRS) -> Stop:
    """Whether the good pairs so far, logarithms x [n] in time order, are enough for a relative half-width of `target`.

    The answer is that of the last scheduled look, so asking more often does not raise the chance of a lucky stop.
    """
    if not 0 < target < math.inf:
        raise ValueError(f"target is {target}; expected a relative half-width above 0, for example 0.02")
    x = finite(x)
    last = x.size // BLOCK
    last -= (last - FLOOR_BLOCKS) % BLOCKS_PER_LOOK
    if last >= FLOOR_BLOCKS:
        widths = {}
        for blocks in range(last, FLOOR_BLOCKS - 1, -BLOCKS_PER_LOOK)[:STABLE_LOOKS]:
            widths[blocks] = within(x[: blocks * BLOCK]).half_width()
        if widths[last] <= math.log1p(target):
            return Stop.TARGET
        noise = [width * math.sqrt(blocks * BLOCK) for blocks, width in widths.items()]  # of one pair
        stable = len(noise) == STABLE_LOOKS and max(noise) <= (1 + STABLE_WITHIN) * min(noise)
        if stable and noise[0] / math.sqrt(cap) > math.log1p(target):
            return Stop.SETTLED
    return Stop.CAP if x.size >= cap else Stop.CONTINUE


@dataclass(frozen=True)
class Noise:
    """Which pairs were disturbed (bad [n]), whether that spoils the unit, and the figures behind it."""

    bad: NDArray[np.bool_]
    noisy: bool
    reason: str


def noise(others: ArrayLike, cpu_share: ArrayLike) -> Noise:
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
    return Noise(bad, noisy, reason)


@dataclass(frozen=True)
class Drift:
    """Relative change from the first half to the second, and whether that exceeds its 95 % error."""

    change: float
    significant: bool


def drift(times: ArrayLike) -> Drift:
    """Drift of forward + backward time over the rounds, times [n] in time order: a description, not a noise flag.

    Contention is found by `noise`; a drift hits both phases of a pair alike, and hardly their ratio. Each half needs
    two whole blocks for an error; with fewer, no change is significant. The smaller df is the cautious one.
    """
    logs = log_times(times)
    first, second = within(logs[: logs.size // 2]), within(logs[logs.size // 2 :])
    difference = Estimate(second.centre - first.centre, math.hypot(first.se, second.se), min(first.df, second.df))
    return Drift(math.expm1(difference.centre), abs(difference.centre) > difference.half_width())


class Answer(StrEnum):
    SAME = "same"
    SLOWER = "slower"
    FASTER = "faster"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Verdict:
    """The answer, and its numbers as factors new / old: the 95 % interval, the 90 % one of the equivalence test."""

    answer: Answer
    change: Interval
    equivalence: Interval
    margin: float


def verdict(
    differences: ArrayLike, ses: ArrayLike, sigma: float, margin: float = 0.02, d0: float = PRIOR_DF
) -> Verdict:
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
    return Verdict(answer, estimate.interval(0.95, contains), estimate.interval(0.90, contains), margin)
