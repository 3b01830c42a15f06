"""The share of backward that a reduction of gradients among replicas costs: communication that nothing hides."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ..measure import stats
from .calibration import Spread

NAME = "exposed_communication"
Seconds = Mapping[str, Sequence[float]]  # of one trial, by phase


def exposed(trials: Sequence[Seconds], spread: Spread) -> dict[str, float]:
    """Compute 1 - backward_local / backward from cycles, with its interval; nothing where nothing is reduced.

    Processes differ in it as they do in ratios of other phases.
    """
    if "backward_local" not in trials[0]:
        return {}
    logs = [stats.log_ratio(seconds["backward_local"], seconds["backward"]) for seconds in trials]
    kept = stats.log_interval(logs, spread.sigma["ratio"], spread.df)
    metrics = {NAME: 1 - kept.centre, f"{NAME}_low": 1 - kept.high, f"{NAME}_high": 1 - kept.low}
    return {name: float(value) for name, value in metrics.items() if math.isfinite(value)}


def share_with_interval(metrics: Mapping[str, float]) -> str:
    """Write the share with its interval: `23% (20% to 26%)`; empty where there is none."""
    if NAME not in metrics:
        return ""
    interval = [f"{metrics[f'{NAME}_{end}']:.0%}" for end in ("low", "high") if f"{NAME}_{end}" in metrics]
    return f"{metrics[NAME]:.0%}" + (f" ({' to '.join(interval)})" if interval else "")


def by_framework(reduction_s: Mapping[str, float]) -> dict[str, float]:
    """Name what the framework itself says of its reductions, as `Replicated.reduction` has it."""
    if not reduction_s:
        return {}
    hidden, computing = reduction_s["overlap"], reduction_s["compute"]
    alone = max(0.0, reduction_s["reduction"] - hidden)
    return {
        "reduction_ms": 1000 * reduction_s["reduction"],
        "reduction_overlap_ms": 1000 * hidden,
        "exposed_by_framework": alone / (computing + alone),
    }
