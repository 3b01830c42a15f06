"""How long a job will take: about as its variants took before, or at most as long as they may."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from ..job import Job, Variant
from ..records.record import Record

# For a variant of which no record says how long its import, compile and verification took; as seen on two cores.
UNSEEN_S = 12.0
HAND_OVER_S = 0.5  # at most, for a variant's process, record and MLflow run

# First calls that find their programs in a compile cache, over those that compiled them: 0.11 to 0.21 was seen.
CACHED_SHARE = 1 / 6


@dataclass(frozen=True)
class Forecast:
    """Seconds to come; `known` where all of it was measured in the same way before."""

    seconds: float = 0.0
    known: bool = True

    def __add__(self, other: Forecast) -> Forecast:
        return Forecast(self.seconds + other.seconds, self.known and other.known)

    def __str__(self) -> str:
        return f"{'about' if self.known else 'at most'} {self.seconds / 60:.1f} minutes"


def forecast(job: Job, earlier: Mapping[Variant, Sequence[Record]]) -> Forecast:
    """Of the variants of one job that are to be measured, each with its records of before, oldest first."""
    set_up_s = [_set_up_s(job, variant, records) for variant, records in earlier.items()]
    measuring_s = [_measuring_s(job, records) for records in earlier.values()]
    waiting_s = _together(set_up_s, max(2, job.device.threads)) + len(earlier) * HAND_OVER_S
    bound_s = job.measure.trials * (job.measure.warm_s + job.measure.budget_s)
    return Forecast(
        job.measure.trials * waiting_s + sum(bound_s if seconds is None else seconds for seconds in measuring_s),
        None not in measuring_s,
    )


def _set_up_s(job: Job, variant: Variant, records: Sequence[Record]) -> float:
    """Seconds from a fresh process to a verified program. The first record of a cell is that of its first compile."""
    if not records:
        return UNSEEN_S
    metrics = records[-1].metrics
    compiled = len(records) == 1 and not records[0].remeasured
    if not compiled or variant.execution not in job.frameworks[variant.framework].cached:
        return metrics["set_up_s"]
    first_calls_s = sum(phase.first_s or 0.0 for phase in records[-1].phases.values())
    return metrics["set_up_s"] - (1 - CACHED_SHARE) * first_calls_s


def _measuring_s(job: Job, records: Sequence[Record]) -> float | None:
    """Seconds of warm-up and rounds when last measured, if it was in the same way."""
    same = [record.metrics.get("measuring_s") for record in records if record.measure == asdict(job.measure)]
    return same[-1] if same else None


def _together(seconds: Iterable[float], hands: int) -> float:
    """Until all are done, when each is begun in order as soon as a hand is free."""
    free = [0.0] * hands
    for each in seconds:
        heapq.heapreplace(free, free[0] + each)
    return max(free)
