"""Centres and intervals for paired timings: from ln(backward / forward) of each pair to a ratio with its 95 % interval.

Everything is estimated on natural logarithms, where a ratio and its inverse mirror each other, and reported after
`exp`. Two sources of error are kept apart: within one process (pairs, drift, bursts) and from one process to the next
(memory layout, clocks, thread placement). The second is the larger, and cannot be estimated from the pairs of a single
process.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

Array = NDArray[np.float64]

PAIRS_PER_STRETCH = 4  # long enough for a median to shed one outlier, short enough for many stretches
TRIM = 0.2  # share cut from each end; Yuen (1974) and Wilcox (2012) for efficiency under heavy tails
SIGMA_FLOOR = 0.005  # eight processes that agree by chance do not prove that the ninth will
# Weight of a self-check, or of an assumption, in degrees of freedom: with 4 an interval still covers if that is wrong
# by a factor of 3.
PRIOR_DF = 4.0


@dataclass(frozen=True)
class Interval:
    """A `centre` with its bounds `low` and `high` (nan if there are none): a ratio, or seconds."""

    centre: float
    low: float
    high: float
    contains: str
    """The sources of variation that the interval covers, and those that it omits, in plain words."""


@dataclass(frozen=True)
class Estimate:
    """A centre in natural logarithms, its standard error (nan: unknown) and the degrees of freedom of that error."""

    centre: float
    se: float
    df: float

    def half_width(self, level: float = 0.95) -> float:
        """Return half the width of the Student t interval, in natural logarithms; about the relative half-width."""
        return math.nan if math.isnan(self.se) else _quantile(self.df, 0.5 + level / 2) * self.se

    def interval(self, level: float, contains: str) -> Interval:
        """Return the Student t interval at a level, converted back by `exp`. `contains` says what it covers."""
        half_width = self.half_width(level)
        if math.isnan(half_width):
            contains = "nothing: too few values for a standard error"
        low, high = math.exp(self.centre - half_width), math.exp(self.centre + half_width)
        return Interval(math.exp(self.centre), low, high, contains)


@cache
def _quantile(df: float, share: float) -> float:
    """Return the quantile of Student's t at a share, and keep it: many estimates share a few degrees of freedom."""
    return float(stdtrit(df, share))


def log_times(times: ArrayLike, name: str = "time") -> Array:
    """Take the natural logarithm of times [n] in seconds.

    Raises ValueError if there are none, or if one is not finite and above 0. `name` names the times in its message.
    """
    values = finite(times, name)
    if (values <= 0).any():
        index = int(np.argmax(values <= 0))
        raise ValueError(
            f"{name}[{index}] is {values[index]}; expected a number above 0. Is the clock's resolution too coarse?"
        )
    return np.log(values)


def log_ratio(numerator: ArrayLike, denominator: ArrayLike) -> Array:
    """Compute ln(numerator / denominator) of each pair of times [n], in time order.

    Raises ValueError if the lengths differ, or a time is not finite and above 0.
    """
    top, bottom = log_times(numerator, "numerator"), log_times(denominator, "denominator")
    if top.size != bottom.size:
        raise ValueError(f"{top.size} numerators and {bottom.size} denominators; expected pairs, as many of each")
    return top - bottom


def trimmed_mean(x: ArrayLike, share: float = TRIM) -> float:
    """Compute the mean of x [n] after cutting `share` of the values from each end."""
    if not 0 <= share < 0.5:
        raise ValueError(f"share is {share}; expected 0 <= share < 0.5, the part cut from each end")
    ordered = np.sort(finite(x))
    cut = int(share * ordered.size)
    return float(ordered[cut : ordered.size - cut].mean())


def within(x: ArrayLike) -> Estimate:
    """Estimate the centre of one process's pairs x [n], in time order, and its standard error inside this process.

    The centre is the 20 % trimmed mean of the pairs. The error is that of the 20 % trimmed mean of stretch medians: the
    winsorised standard deviation over h = K - 2 floor(0.2 K) of K stretches (Yuen 1974), with h - 1 degrees of freedom,
    widened by sqrt((1 + r) / (1 - r)) for stretches with lag-1 autocorrelation r (the variance of the mean of an AR(1)
    series). Pairs after the last whole stretch count for the centre only. With fewer than 2 stretches the error is nan.
    """
    x = finite(x)
    centre = trimmed_mean(x)
    k = x.size // PAIRS_PER_STRETCH
    if k < 2:
        return Estimate(centre, math.nan, math.nan)
    medians = np.median(x[: k * PAIRS_PER_STRETCH].reshape(k, PAIRS_PER_STRETCH), axis=1)
    cut = int(TRIM * k)
    h = k - 2 * cut
    ordered = np.sort(medians)
    winsorised_sd = float(np.std(np.clip(ordered, ordered[cut], ordered[k - 1 - cut]), ddof=1))
    r = _autocorrelation(medians)
    se = winsorised_sd * math.sqrt((k - 1) / (h * (h - 1))) * math.sqrt((1 + r) / (1 - r))
    return Estimate(centre, se, h - 1)


def _autocorrelation(b: Array) -> float:
    """Estimate the lag-1 autocorrelation of b [K], corrected for its bias of about -1/K and limited to 0 to 0.7.

    Values are first clipped at 3 (normal-consistent) median absolute deviations, else one burst would hide any drift.
    """
    median = np.median(b)
    limit = 3 * 1.4826 * np.median(np.abs(b - median))
    clipped = np.clip(b, median - limit, median + limit)
    deviations = clipped - clipped.mean()
    power = float(deviations @ deviations)
    if not power:
        return 0.0
    raw = float(deviations[1:] @ deviations[:-1]) / power
    return min(max(raw + 1 / int(deviations.size), 0.0), 0.7)


def between(centres: ArrayLike) -> Estimate:
    """Estimate by Student t from one value per process [P]; for equal trials the same as Kalibera & Jones (2013)."""
    e = finite(centres)
    se = float(np.std(e, ddof=1)) / math.sqrt(e.size) if e.size > 1 else math.nan
    return Estimate(float(e.mean()), se, e.size - 1)


def moderated(centres: ArrayLike, ses: ArrayLike, sigma: float, d0: float = PRIOR_DF) -> Estimate:
    """Estimate by moderated t (Smyth 2004) from one value per process; one process is enough.

    The variance between these few processes is averaged with the expected one, which has the weight of d0 degrees of
    freedom: v = (d0 s0^2 + (P - 1) var(e)) / (d0 + P - 1), s0^2 = mean(se^2) + sigma^2.

    Args:
        centres: e, the centre of each process [P].
        ses: their standard errors inside each process [P].
        sigma: process-to-process standard deviation from a self-check.
        d0: weight of the expected variance in degrees of freedom.

    Raises:
        ValueError: an argument is out of range, or the lengths differ.
    """
    e, se = finite(centres), np.asarray(ses, dtype=float)
    if e.shape != se.shape:
        raise ValueError(f"{e.size} centres and {se.size} standard errors; expected one standard error per centre")
    if not (math.isfinite(sigma) and sigma >= 0):
        raise ValueError(f"sigma is {sigma}; expected a finite standard deviation of logarithms, for example 0.015")
    if not 1 <= d0 < math.inf:
        raise ValueError(f"d0 is {d0}; expected the finite weight of the self-check, 1 degree of freedom or more")
    inside, squares = np.mean(se**2), np.sum((e - e.mean()) ** 2)
    return Estimate(float(e.mean()), float(moderated_se(e.size, inside, squares, sigma, d0)), d0 + e.size - 1)


def moderated_se(size: Any, inside: Any, squares: Any, sigma: Any, d0: Any) -> Any:
    """Return the standard error of `moderated`, of one estimate or, given arrays, of each of many.

    Args:
        size: P, the number of processes.
        inside: the mean of their squared standard errors.
        squares: the sum of squares of the centres about their mean.
        sigma: as in `moderated`.
        d0: as in `moderated`.
    """
    return np.sqrt((d0 * (inside + sigma**2) + squares) / (d0 + size - 1) / size)


def process_sigma(centres: ArrayLike, ses: ArrayLike, floor: float = SIGMA_FLOOR) -> float:
    """Estimate the process-to-process standard deviation from N processes (8 or so) that run the same program.

    This is the moment estimate of a one-way random-effects layout: the variance of the centres [N], less the part that
    the standard errors inside the processes [N] explain. Never below `floor`.
    """
    e, se = finite(centres), finite(ses)
    if e.size < 2 or e.size != se.size:
        raise ValueError(f"{e.size} centres and {se.size} standard errors; expected one each from at least 2 processes")
    return math.sqrt(max(float(np.var(e, ddof=1) - np.mean(se**2)), floor**2))


def log_interval(
    trials: Sequence[ArrayLike], sigma_process: float | None = None, d0: float = PRIOR_DF, level: float = 0.95
) -> Interval:
    """Compute an interval from trials (one fresh process each).

    With `sigma_process` it is a moderated t interval, for any number of trials. Without it, it is a Student t interval
    for three trials or more; for one or two it covers the variation inside the processes only.

    Args:
        trials: for each trial the logarithms of its ratios, or of one phase's times, in time order.
        sigma_process: the `process_sigma` of the same quantity; None if there is none.
        d0: weight of `sigma_process` in degrees of freedom.
        level: of confidence.
    """
    if not trials:
        raise ValueError("0 trials; expected at least 1")
    estimates = [within(x) for x in trials]
    count = len(estimates)
    centres, ses = [estimate.centre for estimate in estimates], [estimate.se for estimate in estimates]
    if sigma_process is None and count < 3:
        # The smaller df is the cautious one; Satterthwaite's would need two non-zero errors.
        df = min(estimate.df for estimate in estimates)
        inside = Estimate(float(np.mean(centres)), math.hypot(*ses) / count, df)
        processes = "this process only" if count == 1 else "these 2 processes only"
        return inside.interval(level, f"{processes}; variation from process to process is not covered")
    contains = f"process to process and within process variation, {count} trial{'s' if count > 1 else ''}"
    if sigma_process is None:
        return between(centres).interval(level, contains)
    return moderated(centres, ses, sigma_process, d0).interval(
        level, f"{contains} and a process sigma of {sigma_process:.1%}"
    )


def finite(values: ArrayLike, name: str = "value") -> Array:
    """Convert values to a float64 array [n].

    Raises ValueError if there are none, or if one is nan or infinite. `name` names the values in its message.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or not x.size:
        raise ValueError(f"{name}s have shape {x.shape}; expected a list of at least one number")
    is_finite = np.isfinite(x)
    if not is_finite.all():
        index = int(np.argmin(is_finite))
        raise ValueError(f"{name}[{index}] is {x[index]}; expected a finite number")
    return x
