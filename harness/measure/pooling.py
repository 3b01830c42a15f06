"""What many cells together say of the spread between processes: empirical Bayes over their trials (Smyth 2004).

The three trials of one cell say little of its spread, and those of fifty cells say much. A cell keeps a share of its
own spread, and the more the cells differ in theirs, the larger that share is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain

import numpy as np
from scipy.optimize import brentq
from scipy.special import digamma, polygamma

from .stats import Array

Trials = Sequence[float] | Array  # one value of each

LEAST_DF = 10  # of all cells together, below which they are no better than an assumption
MOST_DF = 12.0  # however many cells there are: a process now and then is further off than a normal law has it
_TINY = 1e-12  # a variance below it is rounding


def pooled_spread(
    centres: Sequence[Trials], ses: Sequence[Trials], floor: float, least_df: float = LEAST_DF
) -> tuple[float, float] | None:
    """Estimate the spread from process to process that cells have in common, and its weight in degrees of freedom.

    The variance is the mean of what the cells have between trials, less what their standard errors explain. The weight
    is the d0 for which log variances scatter as they do: var(ln s^2) = trigamma(d / 2) + trigamma(d0 / 2).

    Args:
        centres: of each cell, one value a trial.
        ses: their standard errors inside the trials.
        floor: the least standard deviation; trials that agree by chance do not prove that the next one will.
        least_df: the fewest degrees of freedom of all cells together that tell anything.

    Returns:
        (standard deviation, degrees of freedom), or None if there are too few trials to tell.
    """
    sizes, _, squares, inside = moments(centres, ses)
    telling = (sizes > 1) & np.isfinite(inside)
    df, inside = sizes[telling] - 1.0, inside[telling]
    if df.sum() < least_df:
        return None
    variances = squares[telling] / df
    sigma = math.sqrt(max(float(np.average(variances - inside, weights=df)), floor**2))
    scaled = np.log(np.maximum(variances, _TINY) / (inside + sigma**2))
    scaled -= digamma(df / 2) - np.log(df / 2)  # the mean of the logarithm of a chi-square over its df
    excess = float(np.var(scaled, ddof=1) - np.mean(polygamma(1, df / 2))) if df.size > 1 else 0.0
    return sigma, min(max(_prior_df(excess), 1.0), float(df.sum()), MOST_DF)


def moments(centres: Sequence[Trials], ses: Sequence[Trials]) -> tuple[Array, Array, Array, Array]:
    """Sum up the trials of each cell: their number, mean, sum of squares about it, and mean squared standard error.

    Cells may have different numbers of trials, each at least one.
    """
    sizes = np.array([len(e) for e in centres], float)
    cell, values, errors = np.repeat(np.arange(sizes.size), sizes.astype(int)), _joined(centres), _joined(ses)
    means = np.bincount(cell, values) / sizes
    squares = np.bincount(cell, (values - means[cell]) ** 2).astype(float)
    return sizes, means, squares, np.bincount(cell, errors**2) / sizes


def _joined(trials: Sequence[Trials]) -> Array:
    return np.fromiter(chain.from_iterable(trials), float)


def informed(beforehand: tuple[float, float], pooled: tuple[float, float] | None) -> tuple[float, float]:
    """Average a spread known or assumed beforehand with a pooled one, variances by their degrees of freedom.

    Both are (standard deviation, degrees of freedom), and so is what is returned.
    """
    if pooled is None:
        return beforehand
    (s, df), (t, more) = beforehand, pooled
    return math.sqrt((df * s**2 + more * t**2) / (df + more)), max(df, min(df + more, MOST_DF))


def _prior_df(excess: float) -> float:
    """Solve trigamma(d0 / 2) = excess; infinite if cells scatter no more than chance has it."""
    if excess <= 0 or polygamma(1, 1e6) >= excess:
        return math.inf
    return 2 * float(brentq(lambda half: float(polygamma(1, half)) - excess, 1e-3, 1e6))
