"""What disturbed a measurement: a sentence where it did, and numbers in any case."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

import numpy as np

from ..measure.clock import Samples
from ..measure.contention import contention, drift
from ..measure.machine.gpu import slowdowns

_SUMMARIES: dict[str, Callable[[list[float]], float]] = {
    "load": max,
    "steal_s": sum,
    "cpu_mhz": statistics.median,
    "cpu_celsius": max,
    "throttles": sum,
    "gpu_mhz": statistics.median,
    "gpu_celsius": max,
}

LONG_ENOUGH_S = 0.25  # a stretch is judged that is long against the steps of /proc/stat


def noise(trials: Sequence[Samples], threads: int) -> str:
    """What disturbed the measurement; empty if little did."""
    found = []
    for number, trial in enumerate(trials, start=1):
        stretch = (np.cumsum(trial.wall) // LONG_ENOUGH_S).astype(int)
        sums = [np.bincount(stretch, values) for values in (trial.wall, trial.cpu, trial.others)]
        wall, cpu, others = (values[sums[0] > 0] for values in sums)
        share = cpu / wall
        taken = np.maximum(others, 0) / (wall * threads)
        judged = contention(taken, share / np.quantile(share, 0.9))
        reasons = [judged.reason] if judged.noisy else []
        if throttles := sum(trial.surroundings.get("throttles", [])):
            reasons.append(f"the CPU was throttled {throttles:.0f} times")
        if slowed := slowdowns(trial.surroundings.get("gpu_slowed", [])):
            reasons.append(f"the GPU was slowed by {', '.join(slowed)}")
        if reasons:
            found.append(f"trial {number}: {'; '.join(reasons)}")
    return "; ".join(found)


def surroundings(trials: Sequence[Samples], threads: int) -> dict[str, float]:
    """Numbers on what else the machine did; those that it does not show are absent."""
    wall = sum(sum(trial.wall) for trial in trials)
    seen = {name: [v for trial in trials for v in trial.surroundings.get(name, [])] for name in _SUMMARIES}
    found = {name: summary(seen[name]) for name, summary in _SUMMARIES.items() if seen[name]}
    if "steal_s" in found:
        found["steal_share"] = found.pop("steal_s") / (wall * threads)
    found["switches_per_s"] = sum(sum(trial.switches) for trial in trials) / wall
    found["others_share"] = sum(max(0.0, sum(trial.others)) for trial in trials) / (wall * threads)
    drifts = [drift(pairs) for trial in trials if len(pairs := _pairs(trial)) >= 2]
    if drifts:
        largest = max(drifts, key=lambda each: abs(each.change))
        found |= {"drift": largest.change, "drift_significant": float(largest.significant)}
    return found


def _pairs(trial: Samples) -> np.ndarray:
    return np.add(trial.seconds["forward"], trial.seconds["backward"])
