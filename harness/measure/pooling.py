"""What many cells together say of the spread between processes: empirical Bayes over their trials (Smyth 2004).

The three trials of one cell say little of its spread, and those of fifty cells say much. A cell keeps a share of its
own spread, and the more the cells differ in theirs, the larger that share is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import digamma, polygamma

LEAST_DF = 10  # of all cells together, below which they are no better than an assumption
MOST_DF = 12.0  # however many cells there are: a process now and then is further off than a normal law has it
_TINY = 1e-12  # a variance below it is rounding


def pooled_spread(
    centres: Sequence[ArrayLike], ses: Sequence[ArrayLike], floor: float, least_df: float = LEAST_DF
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
    cells = [(np.asarray(e, float), np.asarray(se, float)) for e, se in zip(centres, ses, strict=True)]
    cells = [(e, se) for e, se in cells if e.size > 1 and np.isfinite(se).all()]
    df = np.array([e.size - 1 for e, _ in cells], float)
    if df.sum() < least_df:
        return None
    variances = np.array([np.var(e, ddof=1) for e, _ in cells])
    inside = np.array([np.mean(se**2) for _, se in cells])
    sigma = math.sqrt(max(float(np.average(variances - inside, weights=df)), floor**2))
    scaled = np.log(np.maximum(variances, _TINY) / (inside + sigma**2))
    scaled -= digamma(df / 2) - np.log(df / 2)  # the mean of the logarithm of a chi-square over its df
    excess = float(np.var(scaled, ddof=1) - np.mean(polygamma(1, df / 2))) if df.size > 1 else 0.0
    return sigma, min(max(_prior_df(excess), 1.0), float(df.sum()), MOST_DF)


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
