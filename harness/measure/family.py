"""Compares many cells at once, so that the same code rarely raises any alarm, however many cells there are.

"slower" and "faster" are corrected for all quantities of all cells by Holm (1979): the chance that any of these words
is wrong is at most 5 % for the whole comparison, whatever depends on what. The estimate must also be a difference of
2 % or more. "same" is judged one by one, as in `comparison.py`; it raises no alarm.

How far processes differ is estimated from the trials of all cells of a framework (`pooling.py`). Where these weigh less
than what is known beforehand, both are averaged: two trials a cell say little of how much cells differ in it. Two
sweeps also differ by what the machine does in between, which the trials of neither show. So unless B was measured in
the same rounds as A:

- times vary at least as much as is known beforehand, however well trials agree (ratios do not depend on the machine);
- a difference must also stand out from what the cells have in common: their median, up to 10 %. A machine that slowed
  a whole sweep by more would not leave its cells undisturbed;
- if even the quietest quarter of the cells scatter by more than their errors allow, all errors are widened by as much
  (genomic control, Devlin and Roeder 1999, at a quartile that changes in up to half of the cells hardly move).

The last two need 10 cells.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtr

from .comparison import SIGMA_DIFFERENCE_FLOOR, Answer, Comparison
from .pooling import informed, moments, pooled_spread
from .stats import Array, Estimate, finite, moderated_se

ALARMS = 0.05  # chance that a comparison of the same code has any alarm
MARGIN = 0.02  # relative difference below which nothing is an alarm, and which still counts as the same
MOST_SHARED = 0.10  # the most by which the machine may change all times between two sweeps
LEAST_CELLS = 10  # with fewer, what they have in common cannot be told from what is asked
_QUARTILE, _OF_HALF_NORMAL = 0.25, 0.3186  # the lower quartile of |z|


@dataclass(frozen=True)
class Difference:
    """ln B - ln A of one quantity of one cell.

    Attributes:
        quantity: what is compared, such as forward.
        family: what has a like spread from process to process: the framework.
        centres: one value a trial [P].
        ses: their standard errors inside the processes [P].
        sigma: standard deviation from trial to trial, as known beforehand.
        df: its weight in degrees of freedom.
        of_time: whether it compares times, which depend on what the machine does meanwhile.
        in_same_rounds: whether B was measured in turn with A.
        disturbed: whether A or B was; then nothing is said of the difference.
    """

    quantity: str
    family: str
    centres: Sequence[float]
    ses: Sequence[float]
    sigma: float
    df: float
    of_time: bool = True
    in_same_rounds: bool = False
    disturbed: bool = False


def compared_together(differences: Sequence[Difference], margin: float = MARGIN) -> list[Comparison]:
    """Judge all differences of a comparison at once, each with the 95 % interval that it has by itself."""
    if not differences:
        return []
    estimates = _estimates(differences)
    adjusted = holm(_p_values(differences, estimates))
    return [
        Comparison(_answer(difference, estimate, p, margin), estimate.interval(0.95, "one comparison by itself"))
        for difference, estimate, p in zip(differences, estimates, adjusted, strict=True)
    ]


def holm(p: Sequence[float]) -> list[float]:
    """Adjust p-values by Holm's step-down method: one below a level keeps the chance of any false one below it."""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(np.asarray(p, float)[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1.0)
    return [float(value) for value in adjusted]


def _estimates(differences: Sequence[Difference]) -> list[Estimate]:
    """Estimate each difference with the spread of its family's trials, or the one known beforehand if these are few."""
    families = defaultdict(list)
    for i, difference in enumerate(differences):
        families[difference.family, difference.quantity, difference.in_same_rounds].append(i)
    sigma, d0 = np.empty(len(differences)), np.empty(len(differences))
    for rows in families.values():
        of_family = [differences[i] for i in rows]
        spread = pooled_spread([d.centres for d in of_family], [d.ses for d in of_family], SIGMA_DIFFERENCE_FLOOR)
        for i, d in zip(rows, of_family, strict=True):
            beforehand = max(d.sigma, SIGMA_DIFFERENCE_FLOOR)
            sigma[i], d0[i] = spread if spread and spread[1] >= d.df else informed((beforehand, d.df), spread)
            if d.of_time and not d.in_same_rounds:
                sigma[i] = max(sigma[i], beforehand)
    sizes, centres, squares, inside = moments([d.centres for d in differences], [d.ses for d in differences])
    ses = moderated_se(sizes, inside, squares, sigma, d0)
    return list(map(Estimate, finite(centres, "difference").tolist(), ses.tolist(), (d0 + sizes - 1).tolist()))


def _p_values(differences: Sequence[Difference], estimates: Sequence[Estimate]) -> list[float]:
    """Return the chance of so large a difference where there is none: 1 for what is disturbed or has no error."""
    centre, se, df = np.array([(e.centre, e.se, e.df) for e in estimates]).T
    nearest, width = centre.copy(), np.ones(centre.size)
    quiet = np.array([not d.disturbed for d in differences])
    told, apart = quiet & ~np.isnan(se), np.array([not d.in_same_rounds for d in differences])
    quantities = np.array([d.quantity for d in differences])
    for quantity in set(quantities[told & apart]):
        alike = quantities == quantity
        if np.sum(alike & quiet) < LEAST_CELLS:
            continue  # what they have in common cannot be told
        common, rows = float(np.median(centre[alike & quiet])), alike & told & apart
        shared = min(max(common, -math.log1p(MOST_SHARED)), math.log1p(MOST_SHARED))
        own, relative = centre[rows], centre[rows] - shared
        nearest[rows] = np.where(own * relative > 0, np.sign(own) * np.minimum(abs(own), abs(relative)), 0.0)
        width[rows] = max(1.0, min(_scatter(own - about, se[rows], df[rows]) for about in (0.0, common)))
    p = np.ones(centre.size)
    p[told] = 2 * stdtr(df[told], -abs(nearest[told]) / (width[told] * se[told]))
    return [float(value) for value in p]


def _scatter(distances: Array, ses: Array, df: Array) -> float:
    """Return the factor by which the quietest quarter of the cells scatters more than its errors allow."""
    z = -ndtri(np.maximum(stdtr(df, -np.abs(distances) / ses), 1e-300))
    return float(np.quantile(z, _QUARTILE)) / _OF_HALF_NORMAL


def _answer(difference: Difference, estimate: Estimate, adjusted: float, margin: float) -> Answer:
    """Say what a difference is, given its p-value as adjusted for all others."""
    limit = math.log1p(margin)
    if difference.disturbed:
        return Answer.CANNOT_TELL
    if len(difference.centres) > 1 and abs(estimate.centre) + estimate.half_width(0.90) < limit:
        return Answer.SAME
    if adjusted <= ALARMS and abs(estimate.centre) >= limit:
        return Answer.SLOWER if estimate.centre > 0 else Answer.FASTER
    return Answer.CANNOT_TELL
