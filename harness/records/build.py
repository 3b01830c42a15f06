"""From what was measured of one variant to its record."""

from __future__ import annotations

import subprocess
import uuid
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np

from .. import __version__
from ..job import Job, Variant
from ..measure import stats
from ..measure.machine.environment import that_matters
from ..measure.protocol import Outcome, Verified
from ..measure.trial import Measured
from ..paths import ROOT
from ..workload.cost import CostTable, cost
from . import flops
from .calibration import Calibration, Spread
from .noise import noise, surroundings
from .record import Phase, Record

NOT_CHECKED = "noise floor not known of every variant: the self-check leaves some out"


def record_of(
    job: Job,
    variant: Variant,
    known: Measured,
    machine: dict[str, Any],
    calibration: Calibration,
    versions: dict[str, str],
    remeasured: str = "",
) -> Record:
    """The record of one variant of a job, with every number that could be had.

    Args:
        job: the job.
        variant: the variant.
        known: what was measured of it.
        machine: this machine, as `describe` says.
        calibration: how far processes differ on it.
        versions: of the work, the code and the framework.
        remeasured: why an earlier record was given up.
    """
    graph = job.workload.graph
    record = Record(
        id=uuid.uuid4().hex,
        created=datetime.now(UTC).isoformat(timespec="milliseconds"),
        study=job.study,
        sweep=job.sweep,
        cell=job.cell(variant),
        model=job.workload.label,
        workload=job.workload.as_dict(),
        device=job.device.name,
        threads=job.device.threads,
        memory=job.device.memory,
        framework=variant.framework,
        execution=variant.execution,
        choices=asdict(variant.choices),
        outcome=Outcome.OK,
        phases=_phases(known, cost(graph)),
        metrics={"parameters": graph.parameter_count},
        stop=known.stops,
        described=known.described,
        machine=machine,
        environment=that_matters(),
        harness={"version": __version__, "commit": commit()},
        measure=asdict(job.measure),
        versions=versions,
        remeasured=remeasured,
        samples=[trial.as_dict() for trial in known.trials],
    )
    if known.verified:
        record.metrics |= _verified(known, known.verified)
        record.gradient_errors = known.verified.gradient_errors
    record.metrics |= flops.ratios(record.phases)
    if known.failure:
        record.outcome, record.reason = known.failure.outcome, known.failure.reason
    else:
        spread = calibration.of(record)
        record.floor = calibration.floor if spread.processes or not calibration.spreads else NOT_CHECKED
        metrics, record.interval = _timed(known, spread)
        for phase, seconds in _seconds(known).items():
            record.phases[phase].ms = 1000 * seconds
        record.noise = noise(known.trials, record.threads)
        record.metrics |= metrics | surroundings(known.trials, record.threads) | {"noisy": float(bool(record.noise))}
    return record


@cache
def commit() -> str:
    """The commit of this program, or "unknown" outside a checkout."""
    asked = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    try:
        answered = subprocess.run(asked, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "unknown"
    return answered.stdout.strip() or "unknown"


def _phases(known: Measured, asked: CostTable) -> dict[str, Phase]:
    """What is known of each phase before it is timed."""
    phases = {name: Phase() for name in ("forward", "backward", *known.first_call_s, *known.counted)}
    for name, total in (("forward", asked.forward), ("backward", asked.backward)):
        phases[name].asked_matmuls, phases[name].asked_flops = total.matmuls, total.flops
    for name, seconds in known.first_call_s.items():
        phases[name].first_s = seconds
    for name, count in known.counted.items():
        phases[name].matmuls, phases[name].flops, phases[name].note = count.matmuls, count.flops, count.note
    return phases


def _verified(known: Measured, verified: Verified) -> dict[str, float]:
    """Numbers of a variant that is loaded and verified."""
    metrics = {
        "loss_error": verified.loss_error,
        "gradient_error": max(verified.gradient_errors.values()),
        "set_up_s": known.set_up_s,
        "residual_mib": verified.residual_bytes / 2**20,
    }
    gradient = known.counted.get("gradient")
    if gradient and gradient.flops and gradient.seen is not None:
        metrics["counter_coverage"] = gradient.seen / gradient.flops
    return metrics


def _seconds(known: Measured) -> dict[str, float]:
    """The time of each phase: the trimmed mean of each trial, and of those the geometric mean."""
    return {
        phase: float(np.exp(np.mean([stats.trimmed_mean(stats.log_times(t.seconds[phase])) for t in known.trials])))
        for phase in known.trials[0].seconds
    }


def _timed(known: Measured, spread: Spread) -> tuple[dict[str, float], str]:
    """Numbers from the samples of each trial, and the sentence that says what the intervals contain."""
    trials = known.trials

    def interval(name: str, numerator: str, denominator: str) -> stats.Interval:
        logs = [stats.log_ratio(t.seconds[numerator], t.seconds[denominator]) for t in trials]
        return stats.log_interval(logs, spread.sigma[name], spread.df)

    ratio, growth = interval("ratio", "backward", "forward"), interval("marginal", "gradient", "inference")
    apart = [np.add(t.seconds["forward"], t.seconds["backward"]) for t in trials]
    splits = [stats.log_ratio(both, t.seconds["gradient"]) for both, t in zip(apart, trials, strict=True)]
    split = stats.log_interval(splits, spread.sigma["marginal"], spread.df)
    forward_s = [seconds for t in trials for seconds in t.seconds["forward"]]
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
        "dispatch_share": sum(sum(t.enqueue["forward"]) for t in trials) / sum(forward_s),
        "pairs": len(forward_s),
        "trials": len(trials),
        "measuring_s": known.measuring_s,
        "timed_s": sum(r * sum(map(sum, t.seconds.values())) for r, t in zip(known.repeats, trials, strict=True)),
    }
    contains = f"{ratio.contains}, {spread.source}"
    return {name: float(value) for name, value in metrics.items() if np.isfinite(value)}, contains
