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

# Two-thread MLP, 84 units of 64 pairs beside bursty neighbours: these found every unit that was wrong by more than 5 %
# (5 of 5) and refused about 10 % of the others. One thread has not been tried.
SWITCHES_LIMIT = 75.0  # involuntary context switches per second and thread; the scheduler's own rate may be higher:
SWITCHES_OVER_QUIET = 3.0  # so the limit is at least this many times the rate of the quiet machine
CPU_SHARE_LIMIT = 0.85  # cpu time / (wall time x threads)
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


def noise(switches: ArrayLike, cpu_share: ArrayLike, quiet_rate: float = 0.0) -> Noise:
    """Judges each pair by how it was scheduled, never by its ratio, which would bias what is kept.

    switches [n]: involuntary context switches per second and thread. cpu_share [n]: cpu time / (wall time x threads).
    quiet_rate: what `switches` is on this machine when it is quiet, if known.
    """
    rate, share = finite(switches, "switches"), finite(cpu_share, "cpu_share")
    if rate.size != share.size:
        raise ValueError(f"{rate.size} switch rates and {share.size} cpu shares; expected one of each per pair")
    for name, lowest in (("switches", rate.min()), ("cpu_share", share.min()), ("quiet_rate", quiet_rate)):
        if not 0 <= lowest < math.inf:
            raise ValueError(f"{name} is {lowest}; expected a finite number of 0 or more")
    limit = max(SWITCHES_LIMIT, SWITCHES_OVER_QUIET * quiet_rate)
    bad = (rate >= limit) | (share < CPU_SHARE_LIMIT)
    noisy = bool(np.mean(~bad) < GOOD_SHARE)
    reason = (
        f"{bad.sum()} of {bad.size} pairs disturbed: "
        f"median {np.median(rate):.0f} involuntary switches/s per thread (bad from {limit:.0f}), "
        f"median cpu share {np.median(share):.2f} (bad below {CPU_SHARE_LIMIT})"
    )
    return Noise(bad, noisy, f"{'noisy' if noisy else 'quiet enough'}, {reason}")


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
