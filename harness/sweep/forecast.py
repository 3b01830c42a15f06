"""Forecasts how long a job takes on an idle machine: its variants as long as before, or as long as their budget."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from adapters.base import PHASES

from ..job import Job, Variant
from ..measure.energy import LOOP_S
from ..records.record import Record
from ..views.plural import duration

# Import, compile and verification of a variant without a record that says how long they took; measured on two cores.
UNSEEN_S = 12.0
USUAL_WARM_S = 2.0  # of a variant never measured: 0.3 s if its calls are short, `warm_s` if they take 0.1 s
ON_A_GPU_S = 3.0  # an estimate: what is asked about the GPU after the rounds of the first trial
HAND_OVER_S = 0.5  # an upper bound for starting a variant's process, writing its record and logging it to MLflow

# Time of first calls that find their programs in a compile cache, over that of those that compiled them: measured 0.11
# to 0.21.
CACHED_SHARE = 1 / 6


@dataclass(frozen=True)
class Forecast:
    """Seconds that remain if no other program disturbs; an estimate, which nothing enforces."""

    seconds: float = 0.0

    def __add__(self, other: Forecast) -> Forecast:
        return Forecast(self.seconds + other.seconds)

    def __str__(self) -> str:
        return f"about {duration(self.seconds)} on an idle machine"


def forecast(job: Job, earlier: Mapping[Variant, Sequence[Record]]) -> Forecast:
    """Forecast how long a job takes.

    Args:
        job: the job.
        earlier: the variants to measure, each with its earlier records, oldest first.
    """
    set_up_s = [_set_up_s(job, variant, records) for variant, records in earlier.items()]
    measuring_s = [_measuring_s(job, records) for records in earlier.values()]
    waiting_s = _concurrent_s(set_up_s, max(2, job.device.threads)) + len(earlier) * HAND_OVER_S
    unseen_s = job.measure.trials * (min(job.measure.warm_s, USUAL_WARM_S) + job.measure.budget_s)
    return Forecast(
        len(earlier) * _device_s(job)
        + job.measure.trials * waiting_s
        + sum(unseen_s if seconds is None else seconds for seconds in measuring_s)
    )


def _device_s(job: Job) -> float:
    """Estimate the seconds that a variant's worker is asked about its device, once, after the rounds."""
    return (ON_A_GPU_S if job.device.name == "cuda" else 0.0) + (len(PHASES) * LOOP_S if job.measure.energy else 0.0)


def _set_up_s(job: Job, variant: Variant, records: Sequence[Record]) -> float:
    """Estimate the seconds from a fresh process to a verified program.

    The first record of a cell includes its first compile, which later processes may find in a cache.
    """
    if not records:
        return UNSEEN_S
    metrics = records[-1].metrics
    has_compiled = len(records) == 1 and not records[0].remeasured
    if not has_compiled or variant.execution not in job.frameworks[variant.framework].cached:
        return metrics["set_up_s"]
    first_calls_s = sum(phase.first_s or 0.0 for phase in records[-1].phases.values())
    return metrics["set_up_s"] - (1 - CACHED_SHARE) * first_calls_s


def _measuring_s(job: Job, records: Sequence[Record]) -> float | None:
    """Return the seconds of warm-up and rounds when last measured with the same settings; None if it never was."""
    durations_s = [record.metrics.get("measuring_s") for record in records if record.measure == asdict(job.measure)]
    return durations_s[-1] if durations_s else None


def _concurrent_s(durations_s: Iterable[float], slots: int) -> float:
    """Compute the seconds until all tasks are done, if each starts, in order, as soon as one of the slots is free."""
    free_at_s = [0.0] * slots
    for duration_s in durations_s:
        heapq.heapreplace(free_at_s, free_at_s[0] + duration_s)
    return max(free_at_s)
