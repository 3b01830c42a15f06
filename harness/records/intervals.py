"""The ratios of a variant with their 95 % intervals, from the samples of its trials and how far processes differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ..measure import stats
from ..measure.stats import Array, Interval
from .calibration import Spread

Seconds = Mapping[str, Sequence[float]]  # of one trial, by phase

# What is divided by what; the name of a ratio is also that of its spread, but for the last.
_RATIOS = {"ratio": ("backward", "forward"), "marginal": ("gradient", "inference")}


def log_ratios(seconds: Seconds, name: str) -> Array:
    """Compute ln of `ratio` or `marginal` of each cycle of a trial."""
    above, below = _RATIOS[name]
    return stats.log_ratio(seconds[above], seconds[below])


def intervals(trials: Sequence[Seconds], spread: Spread) -> tuple[dict[str, float], str]:
    """Compute the metrics that have an interval, those that are finite, and say which variation the intervals cover."""

    def of(name: str) -> Interval:
        return stats.log_interval([log_ratios(seconds, name) for seconds in trials], spread.sigma[name], spread.df)

    ratio, growth = of("ratio"), of("marginal")
    apart_s = [np.add(seconds["forward"], seconds["backward"]) for seconds in trials]
    splits = [stats.log_ratio(both, seconds["gradient"]) for both, seconds in zip(apart_s, trials, strict=True)]
    split = stats.log_interval(splits, spread.sigma["marginal"], spread.df)
    metrics = {
        "ratio": ratio.centre,
        "ratio_low": ratio.low,
        "ratio_high": ratio.high,
        "ratio_marginal": growth.centre - 1,
        "ratio_marginal_low": growth.low - 1,
        "ratio_marginal_high": growth.high - 1,
        "split_over_gradient": split.centre,
        "split_over_gradient_low": split.low,
        "split_over_gradient_high": split.high,
    }
    contains = f"{ratio.contains}, {spread.source}"
    return {name: float(value) for name, value in metrics.items() if math.isfinite(value)}, contains
