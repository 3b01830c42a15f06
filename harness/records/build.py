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
from ..measure.protocol import Outcome
from ..measure.trial import Measured
from ..paths import ROOT
from ..workload.cost import CostTable, cost
from . import flops
from .calibration import Calibration, Spread
from .noise import noise, surroundings
from .record import Record

_EXECUTED = ("matmuls", "flops")

NOT_CHECKED = "noise floor not known of every variant: the self-check leaves some out"


def record_of(job: Job, variant: Variant, known: Measured, machine: dict[str, Any], calibration: Calibration) -> Record:
    """The record of one variant of a job, with every number that could be had."""
    graph = job.workload.graph
    work = cost(graph)
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
        metrics=_counted(work, graph.parameter_count),
        stop=known.stops,
        described=known.described,
        machine=machine,
        environment=that_matters(),
        harness={"version": __version__, "commit": commit()},
        measure=asdict(job.measure),
        samples=[trial.as_dict() for trial in known.trials],
    )
    if known.verified:
        record.metrics |= _verified(known)
        record.gradient_errors = known.verified["gradient_errors"]
        record.notes = {phase: found["note"] for phase, found in known.executed.items() if found["note"]}
    record.metrics |= flops.ratios(record.metrics)
    if known.failure:
        record.outcome, record.reason = known.failure.outcome, known.failure.reason
    else:
        spread = calibration.of(record)
        record.floor = calibration.floor if spread.processes or not calibration.spreads else NOT_CHECKED
        metrics, record.interval = _timed(known, record.metrics, spread)
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


def _counted(cost: CostTable, parameters: int) -> dict[str, float]:
    """Numbers that need no measurement."""
    return {
        "parameters": parameters,
        "forward_flops": cost.forward.flops,
        "backward_flops": cost.backward.flops,
        "forward_matmuls": cost.forward.matmuls,
        "backward_matmuls": cost.backward.matmuls,
    }


def _verified(known: Measured) -> dict[str, float]:
    """Numbers of a variant that is loaded and verified."""
    executed = known.executed.get("gradient", {})
    covered = executed.get("seen") is not None and executed["flops"] > 0
    return {
        "loss_error": known.verified["loss_error"],
        "gradient_error": max(known.verified["gradient_errors"].values()),
        "set_up_s": known.set_up_s,
        "residual_mib": known.verified["residual_bytes"] / 2**20,
        **{f"first_{phase}_s": seconds for phase, seconds in known.first_call_s.items()},
        **{f"executed_{phase}_{what}": found[what] for phase, found in known.executed.items() for what in _EXECUTED},
        **({"counter_coverage": executed["seen"] / executed["flops"]} if covered else {}),
    }


def _timed(known: Measured, counts: dict[str, float], spread: Spread) -> tuple[dict[str, float], str]:
    """Numbers from the samples of each trial, and the sentence that says what the intervals contain."""
    trials = known.trials

    def interval(name: str, numerator: str, denominator: str) -> stats.Interval:
        logs = [stats.log_ratio(t.seconds[numerator], t.seconds[denominator]) for t in trials]
        return stats.log_interval(logs, spread.sigma[name], spread.df)

    ratio, growth = interval("ratio", "backward", "forward"), interval("marginal", "gradient", "inference")
    apart = [np.add(t.seconds["forward"], t.seconds["backward"]) for t in trials]
    splits = [stats.log_ratio(both, t.seconds["gradient"]) for both, t in zip(apart, trials, strict=True)]
    split = stats.log_interval(splits, spread.sigma["marginal"], spread.df)
    seconds = {
        phase: float(np.exp(np.mean([stats.trimmed_mean(stats.log_times(t.seconds[phase])) for t in trials])))
        for phase in trials[0].seconds
    }
    every = {phase: [s for t in trials for s in t.seconds[phase]] for phase in seconds}
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
        **{f"{phase}_ms": 1000 * value for phase, value in seconds.items()},
        "forward_gflops": flops.executed(counts, "forward") / seconds["forward"] / 1e9,
        "backward_gflops": flops.executed(counts, "backward") / seconds["backward"] / 1e9,
        "dispatch_share": sum(sum(t.enqueue["forward"]) for t in trials) / sum(every["forward"]),
        "pairs": len(every["forward"]),
        "trials": len(trials),
        "measuring_s": known.measuring_s,
        "timed_s": sum(r * sum(map(sum, t.seconds.values())) for r, t in zip(known.repeats, trials, strict=True)),
    }
    contains = f"{ratio.contains}, {spread.source}"
    return {name: float(value) for name, value in metrics.items() if np.isfinite(value)}, contains
