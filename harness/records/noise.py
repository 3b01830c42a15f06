"""Reports disturbances of a measurement: in a sentence if there were any, and in numbers in any case."""

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
    "gpu_watts": statistics.median,
}

GPU_CLOCK_SPREAD = 0.03  # of the highest clock: forward and backward of a trial then ran in different power states

LONG_ENOUGH_S = 0.25  # length of a span that is judged: long compared with the 10 ms steps of /proc/stat


def noise(trials: Sequence[Samples], threads: int) -> str:
    """Say in a sentence what disturbed which trial; empty if nothing did by much."""
    disturbances = []
    for number, trial in enumerate(trials, start=1):
        span = (np.cumsum(trial.wall) // LONG_ENOUGH_S).astype(int)
        sums = [np.bincount(span, values) for values in (trial.wall, trial.cpu, trial.others)]
        wall, cpu, others = (values[sums[0] > 0] for values in sums)
        cpu_share = cpu / wall
        others_share = np.maximum(others, 0) / (wall * threads)
        judgement = contention(others_share, cpu_share / np.quantile(cpu_share, 0.9))
        reasons = [judgement.reason] if judgement.noisy else []
        if throttles := sum(trial.surroundings.get("throttles", [])):
            reasons.append(f"the CPU was throttled {throttles:.0f} times")
        if slowed := slowdowns(trial.surroundings.get("gpu_slowed", [])):
            reasons.append(f"the GPU was slowed by {', '.join(slowed)}")
        clocks = trial.surroundings.get("gpu_mhz", [])
        if clocks and max(clocks) - min(clocks) > GPU_CLOCK_SPREAD * max(clocks):
            reasons.append(f"the GPU's clock varied from {min(clocks):.0f} to {max(clocks):.0f} MHz")
        if reasons:
            disturbances.append(f"trial {number}: {'; '.join(reasons)}")
    return "; ".join(disturbances)


def surroundings(trials: Sequence[Samples], threads: int) -> dict[str, float]:
    """Compute the metrics of the machine's state; those that the machine does not report are absent."""
    wall = sum(sum(trial.wall) for trial in trials)
    readings = {name: [v for trial in trials for v in trial.surroundings.get(name, [])] for name in _SUMMARIES}
    metrics = {name: summary(readings[name]) for name, summary in _SUMMARIES.items() if readings[name]}
    if "steal_s" in metrics:
        metrics["steal_share"] = metrics.pop("steal_s") / (wall * threads)
    metrics["switches_per_s"] = sum(sum(trial.switches) for trial in trials) / wall
    metrics["others_share"] = sum(max(0.0, sum(trial.others)) for trial in trials) / (wall * threads)
    drifts = [drift(pairs_s) for trial in trials if len(pairs_s := _pairs_s(trial)) >= 2]
    if drifts:
        largest = max(drifts, key=lambda candidate: abs(candidate.change))
        metrics |= {"drift": largest.change, "drift_significant": float(largest.significant)}
    return metrics


def _pairs_s(trial: Samples) -> np.ndarray:
    """Return the seconds of forward + backward of each pair."""
    return np.add(trial.seconds["forward"], trial.seconds["backward"])
