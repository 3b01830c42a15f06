"""Centres and intervals for paired timings: from ln(backward / forward) of each pair to a ratio with its 95 % interval.

Everything is estimated on natural logarithms, where a ratio and its inverse mirror each other, and reported after
`exp`. Two sources of error are kept apart: within one process (pairs, drift, bursts) and from one process to the next
(memory layout, clocks, thread placement). Nothing computed from the pairs of one process sees the second, and it is the
larger.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

Array = NDArray[np.float64]

PAIRS_PER_BLOCK = 4  # long enough for a median to shed one outlier, short enough for many blocks
TRIM = 0.2  # share cut from each end; Yuen (1974) and Wilcox (2012) for efficiency under heavy tails
SIGMA_FLOOR = 0.005  # eight processes that agree by chance do not prove that the ninth will
# Weight of a self-check, or of an assumption, in degrees of freedom: with 4 an interval still covers when it is wrong
# by a factor of 3.
PRIOR_DF = 4.0


@dataclass(frozen=True)
class Interval:
    """`centre` with bounds `low` and `high` (nan where there are none): of a ratio, or in seconds."""

    centre: float
    low: float
    high: float
    contains: str
    """What the interval covers, and what it leaves out, in plain words."""


@dataclass(frozen=True)
class Estimate:
    """A centre in natural logarithms, its standard error (nan: not known) and the degrees of freedom behind that."""

    centre: float
    se: float
    df: float

    def half_width(self, level: float = 0.95) -> float:
        """Half the width of the Student t interval, in natural logarithms; about the relative half-width."""
        return math.nan if math.isnan(self.se) else float(stdtrit(self.df, 0.5 + level / 2)) * self.se

    def interval(self, level: float, contains: str) -> Interval:
        """The interval after `exp`."""
        half = self.half_width(level)
        if math.isnan(half):
            contains = "nothing: too few values for a standard error"
        return Interval(math.exp(self.centre), math.exp(self.centre - half), math.exp(self.centre + half), contains)


def log_times(times: ArrayLike, name: str = "time") -> Array:
    """Natural logarithm of times [n] in seconds. ValueError if there are none, or one is not finite and > 0."""
    values = finite(times, name)
    if (values <= 0).any():
        at = int(np.argmax(values <= 0))
        raise ValueError(
            f"{name}[{at}] is {values[at]}; expected a number above 0. Is the clock's resolution too coarse?"
        )
    return np.log(values)


def log_ratio(numerator: ArrayLike, denominator: ArrayLike) -> Array:
    """ln(numerator / denominator) of each pair of times [n], in time order."""
    top, bottom = log_times(numerator, "numerator"), log_times(denominator, "denominator")
    if top.size != bottom.size:
        raise ValueError(f"{top.size} numerators and {bottom.size} denominators; expected pairs, as many of each")
    return top - bottom


def trimmed_mean(x: ArrayLike, share: float = TRIM) -> float:
    """Mean of what is left of x [n] after `share` of the values is cut from each end."""
    if not 0 <= share < 0.5:
        raise ValueError(f"share is {share}; expected 0 <= share < 0.5, the part cut from each end")
    ordered = np.sort(finite(x))
    cut = int(share * ordered.size)
    return float(ordered[cut : ordered.size - cut].mean())


def within(x: ArrayLike, block: int = PAIRS_PER_BLOCK) -> Estimate:
    """Centre of one process's pairs x [n], in time order, and its standard error inside this process.

    The centre is the 20 % trimmed mean of the pairs. The error is that of the 20 % trimmed mean of block medians: the
    winsorised standard deviation over h = K - 2 floor(0.2 K) of K blocks (Yuen 1974), with h - 1 degrees of freedom,
    widened by sqrt((1 + r) / (1 - r)) for blocks with lag-1 autocorrelation r (the variance of the mean of an AR(1)
    series). Pairs after the last whole block count for the centre only. Fewer than 2 blocks: the error is nan.
    """
    x = finite(x)
    centre = trimmed_mean(x)
    k = x.size // block
    if k < 2:
        return Estimate(centre, math.nan, math.nan)
    medians = np.median(x[: k * block].reshape(k, block), axis=1)
    cut = int(TRIM * k)
    kept = k - 2 * cut
    ordered = np.sort(medians)
    winsorised_sd = float(np.std(np.clip(ordered, ordered[cut], ordered[k - 1 - cut]), ddof=1))
    r = _autocorrelation(medians)
    se = winsorised_sd * math.sqrt((k - 1) / (kept * (kept - 1))) * math.sqrt((1 + r) / (1 - r))
    return Estimate(centre, se, kept - 1)


def _autocorrelation(b: Array) -> float:
    """Lag-1 autocorrelation of b, with the bias of about -1/K added back, and kept in 0 to 0.7.

    Values are first clipped at 3 (normal-consistent) median absolute deviations: one burst would hide any drift.
    """
    middle = np.median(b)
    reach = 3 * 1.4826 * np.median(np.abs(b - middle))
    d = np.clip(b, middle - reach, middle + reach)
    d = d - d.mean()
    power = float(d @ d)
    return min(max(float(d[1:] @ d[:-1]) / power + 1 / d.size, 0.0), 0.7) if power else 0.0


def between(centres: ArrayLike) -> Estimate:
    """Student t on one value per process [P]: for equal trials the same as Kalibera & Jones (2013)."""
    e = finite(centres)
    se = float(np.std(e, ddof=1)) / math.sqrt(e.size) if e.size > 1 else math.nan
    return Estimate(float(e.mean()), se, e.size - 1)


def moderated(centres: ArrayLike, ses: ArrayLike, sigma: float, d0: float = PRIOR_DF) -> Estimate:
    """Moderated t (Smyth 2004) on one value per process [P]; P = 1 works.

    The variance seen between these few processes is averaged with the one expected from the standard errors inside
    each process and `sigma`, the process-to-process standard deviation of a self-check, which weighs `d0` degrees of
    freedom: v = (d0 s0^2 + (P - 1) var(e)) / (d0 + P - 1), s0^2 = mean(se^2) + sigma^2.
    """
    e, se = finite(centres), np.asarray(ses, dtype=float)
    if e.shape != se.shape:
        raise ValueError(f"{e.size} centres and {se.size} standard errors; expected one standard error per centre")
    if not (math.isfinite(sigma) and sigma >= 0):
        raise ValueError(f"sigma is {sigma}; expected a finite standard deviation of logarithms, for example 0.015")
    if not 1 <= d0 < math.inf:
        raise ValueError(f"d0 is {d0}; expected the finite weight of the self-check, 1 degree of freedom or more")
    df = d0 + e.size - 1
    expected = float(np.mean(se**2)) + sigma**2
    seen = float(np.sum((e - e.mean()) ** 2))
    return Estimate(float(e.mean()), math.sqrt((d0 * expected + seen) / df / e.size), df)


def process_sigma(centres: ArrayLike, ses: ArrayLike, floor: float = SIGMA_FLOOR) -> float:
    """Process-to-process standard deviation from a self-check: N processes (8 or so) that run the same program.

    The variance of the centres [N] less the part that the standard errors inside the processes [N] explain: the moment
    estimate of a one-way random-effects layout. Never below `floor`.
    """
    e, se = finite(centres), finite(ses)
    if e.size < 2 or e.size != se.size:
        raise ValueError(f"{e.size} centres and {se.size} standard errors; expected one each from at least 2 processes")
    return math.sqrt(max(float(np.var(e, ddof=1) - np.mean(se**2)), floor**2))


def log_interval(
    trials: Sequence[ArrayLike], sigma_process: float | None = None, d0: float = PRIOR_DF, level: float = 0.95
) -> Interval:
    """Interval from the logarithms of each trial (a fresh process), in time order: of ratios, or of one phase's times.

    With `sigma_process` (see `process_sigma`; it must belong to the same quantity) the moderated t, for any number of
    trials. Without it, Student t on three trials or more; one or two trials only give the interval inside the process.
    """
    if not trials:
        raise ValueError("0 trials; expected at least 1")
    each = [within(x) for x in trials]
    count = len(each)
    centres, ses = [e.centre for e in each], [e.se for e in each]
    if sigma_process is None and count < 3:
        # The smaller df is the cautious one; Satterthwaite's would need two non-zero errors.
        inside = Estimate(float(np.mean(centres)), math.hypot(*ses) / count, min(e.df for e in each))
        only = "this process only" if count == 1 else "these 2 processes only"
        return inside.interval(level, f"{only}; variation from process to process is not covered")
    covers = f"process to process and within process variation, {count} trial{'s' if count > 1 else ''}"
    if sigma_process is None:
        return between(centres).interval(level, covers)
    return moderated(centres, ses, sigma_process, d0).interval(
        level, f"{covers} and a process sigma of {sigma_process:.1%}"
    )


def finite(values: ArrayLike, name: str = "value") -> Array:
    """The values as a non-empty float64 array [n]; ValueError names the first that is nan or infinite."""
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or not x.size:
        raise ValueError(f"{name}s have shape {x.shape}; expected a list of at least one number")
    good = np.isfinite(x)
    if not good.all():
        at = int(np.argmin(good))
        raise ValueError(f"{name}[{at}] is {x[at]}; expected a finite number")
    return x
