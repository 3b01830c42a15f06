"""Quantiles of Student's t, so that the product needs no SciPy."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

import numpy as np


@lru_cache
def student_t(p: float, df: float) -> float:
    """Quantile of Student's t for 0.5 <= p < 1 and df >= 1, not necessarily whole; 9 digits up to df = 10 000.

    With t = sqrt(df) tan(a) the distribution function is 1/2 + c * integral of cos(a)^(df - 1) from 0 (Abramowitz &
    Stegun 26.7). It is concave there, and the normal quantile lies below, so Newton's steps climb and never overshoot.
    """
    if not (0.5 <= p < 1 and 1 <= df < math.inf):
        raise ValueError(f"p is {p} and df is {df}; expected 0.5 <= p < 1 and a finite df >= 1")
    nodes, weights = np.polynomial.legendre.leggauss(64)
    c = math.exp(math.lgamma((df + 1) / 2) - math.lgamma(df / 2)) / math.sqrt(math.pi)
    angle, step = math.atan(NormalDist().inv_cdf(p) / math.sqrt(df)), math.inf
    while step > 1e-12 * angle:
        area = 0.5 * angle * float(weights @ np.cos(0.5 * angle * (nodes + 1)) ** (df - 1))
        step = (p - 0.5 - c * area) / (c * math.cos(angle) ** (df - 1))
        angle += step
    return math.sqrt(df) * math.tan(angle)
