"""Builds the record of a variant from its measurements."""

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
from ..measure.machine.environment import kernel_variables
from ..measure.protocol import Outcome, Verified
from ..measure.trial import Measured
from ..paths import ROOT
from ..workload.cost import CostTable, cost
from ..workload.replicas import share_of
from . import device_time, flops
from .calibration import Calibration, Spread
from .exposed_communication import by_framework, exposed
from .intervals import intervals
from .noise import noise, surroundings
from .record import Phase, Record

NOT_CHECKED = "noise floor not known for some variants: the self-check did not cover them"


def record_of(
    job: Job,
    variant: Variant,
    measured: Measured,
    machine: dict[str, Any],
    calibration: Calibration,
    versions: dict[str, str],
    remeasured: str = "",
    rounds: str = "",
) -> Record:
    """Build the record of one variant of a job, with every number that is available.

    Args:
        job: the job.
        variant: the variant.
        measured: everything measured of it, or how it failed.
        machine: this machine, as `describe` returns it.
        calibration: how far processes differ on this machine.
        versions: digests of the work and the code, and the framework's version.
        remeasured: why an earlier record was discarded; empty if there was none.
        rounds: shared by all variants that are measured in the same rounds.
    """
    graph = share_of(job.workload, variant.choices.replicas).graph
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
        phases=_phases(measured, cost(graph) if graph else None),
        metrics={"parameters": job.workload.graph.parameter_count} if job.workload.graph else {},
        stop=measured.stops,
        reference=measured.reference,
        described=_described(measured),
        machine=machine,
        environment=kernel_variables() | dict(variant.environment.variables),
        environment_name=variant.environment.name,
        rounds="-".join([rounds, *map(str, measured.turns)]) if any(measured.turns) else rounds,
        harness={"version": __version__, "commit": commit()},
        measure=asdict(job.measure),
        versions=versions,
        remeasured=remeasured,
        samples=[trial.as_dict() for trial in measured.trials],
    )
    if measured.verified:
        record.metrics |= _verified(measured, measured.verified)
        record.gradient_errors = measured.verified.gradient_errors
    record.metrics |= flops.ratios(record.phases)
    if measured.failure:
        record.outcome, record.reason = measured.failure.outcome, measured.failure.reason
    else:
        spread = calibration.of(record)
        record.floor = calibration.floor if spread.processes or not calibration.spreads else NOT_CHECKED
        metrics, record.interval = _timed(measured, spread)
        metrics |= exposed([trial.seconds for trial in measured.trials], spread) | by_framework(measured.reduction)
        for phase, seconds in _seconds(measured).items():
            record.phases[phase].ms = 1000 * seconds
        if measured.device:
            record.metrics |= device_time.add_to(record.phases, measured.device)
        record.noise = noise(measured.trials, record.threads)
        record.metrics |= metrics | surroundings(measured.trials, record.threads) | {"noisy": float(bool(record.noise))}
    return record


@cache
def commit() -> str:
    """Return the commit of this program, or "unknown" outside a checkout."""
    command = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    try:
        completed = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "unknown"
    return completed.stdout.strip() or "unknown"


def _described(measured: Measured) -> dict[str, str]:
    """Collect what the worker said of itself, where the device's numbers are from, and with whom it was measured."""
    described = measured.described | (device_time.described(measured.device) if measured.device else {})
    return described | ({"group": measured.group} if measured.group else {})


def _phases(measured: Measured, requested: CostTable | None) -> dict[str, Phase]:
    """Build the phases with everything but their times: first calls, and counts executed and, by a trace, requested."""
    phases = {name: Phase() for name in ("forward", "backward", *measured.first_call_s, *measured.counted)}
    asked = [("forward", requested.forward), ("backward", requested.backward)] if requested else []
    for name, total in asked:
        phases[name].asked_matmuls, phases[name].asked_flops = total.matmuls, total.flops
    for name, seconds in measured.first_call_s.items():
        phases[name].first_s = seconds
    for name, count in measured.counted.items():
        phases[name].matmuls, phases[name].flops, phases[name].note = count.matmuls, count.flops, count.note
    return phases


def _verified(measured: Measured, verified: Verified) -> dict[str, float]:
    """Compute the metrics of a variant that was loaded and verified, whether or not it was timed."""
    metrics = {
        "loss_error": verified.loss_error,
        "gradient_error": max(verified.gradient_errors.values()),
        "set_up_s": measured.set_up_s,
        "residual_mib": verified.residual_bytes / 2**20,
    }
    if verified.parameters is not None:
        metrics["parameters"] = verified.parameters
    gradient = measured.counted.get("gradient")
    if gradient and gradient.flops and gradient.seen is not None:
        metrics["counter_coverage"] = gradient.seen / gradient.flops
    return metrics


def _seconds(measured: Measured) -> dict[str, float]:
    """Compute the time of each phase: the geometric mean over trials, of the trimmed mean of logarithms in each."""
    return {
        phase: float(np.exp(np.mean([stats.trimmed_mean(stats.log_times(t.seconds[phase])) for t in measured.trials])))
        for phase in measured.trials[0].seconds
    }


def _timed(measured: Measured, spread: Spread) -> tuple[dict[str, float], str]:
    """Compute the metrics from the samples of each trial, and say in words which variation their intervals cover."""
    trials = measured.trials
    ratios, contains = intervals([trial.seconds for trial in trials], spread)
    forward_s, backward_s = ([s for t in trials for s in t.seconds[phase]] for phase in ("forward", "backward"))
    metrics = {
        "dispatch_share": sum(sum(t.enqueue["forward"]) for t in trials) / sum(forward_s),
        "backward_dispatch_share": sum(sum(t.enqueue["backward"]) for t in trials) / sum(backward_s),
        "pairs": len(forward_s),
        "trials": len(trials),
        "measuring_s": measured.measuring_s,
        "timed_s": sum(
            repeat * sum(map(sum, t.seconds.values())) for repeat, t in zip(measured.repeats, trials, strict=True)
        ),
    }
    return ratios | {name: float(value) for name, value in metrics.items() if np.isfinite(value)}, contains
