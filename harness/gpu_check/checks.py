"""Checks of a variant that need the device: gradients there, precision in force, its clock against the host's."""

from __future__ import annotations

import dataclasses
import math
import time
from pathlib import Path

from ..job import Job, Variant
from ..measure.protocol import DeviceClock, Failure, Outcome
from ..measure.worker import MALLOC, Worker
from ..sweep.interpreters import lacking
from ..sweep.run import conditions, launch

# TF32 keeps 10 bits of the fraction: gradients computed with it are off by more than this, those in fp32 by less.
TF32_SHOWS = 3e-5

# The device cannot work for longer than the host waits. How much less it works is a finding, not a fault: launching
# may take most of the time.
MOST_SHARE = 1.02


@dataclasses.dataclass(frozen=True)
class CheckResult:
    """One check of one variant: what was seen, and whether that is good."""

    name: str
    good: bool
    seen: str


def identity(errors: dict[str, float], precision: str) -> CheckResult:
    """Whether the largest gradient error shows the requested precision in force: TF32's is large, others' are not."""
    worst = max(errors.values())
    shown = worst > TF32_SHOWS
    good = shown if precision == "tf32" else not shown
    return CheckResult(f"{precision} multiplies in force", good, f"largest gradient error {worst:.1e}")


def clocks(clock: DeviceClock) -> list[CheckResult]:
    """Whether the device works no longer in each phase than the host's clock says that it takes."""
    if clock.reason:
        return [CheckResult("device time not known", True, clock.reason)]
    results = []
    for phase, seconds in clock.device_s.items():
        share, events_s = seconds / clock.host_s[phase], clock.events_s.get(phase)
        seen = f"share {share:.2f}, {clock.kernels[phase]} kernels in {1e6 * seconds:.0f} µs"
        seen += "" if events_s is None else f", {1e6 * events_s:.0f} µs between events"
        results.append(CheckResult(f"{phase}: device time within host time", share <= MOST_SHARE, seen))
    return results


def check_variant(job: Job, variant: Variant, folder: Path, end: float = math.inf) -> list[CheckResult]:
    """All checks of one variant in a worker of its own; at `end`, a time of the monotonic clock, they are given up."""
    if absent := lacking(job, variant.framework, variant.environment):
        return [CheckResult("unsupported", True, absent)]
    if end <= time.monotonic():
        return [CheckResult("not checked", True, "its time is over")]
    start, with_all = launch(job, variant), conditions(job)

    def left_s() -> float:
        return min(with_all.measure.deadline_s, max(1.0, end - time.monotonic()))

    with Worker(start.interpreter, with_all.cpus, start.log, MALLOC[with_all.device.memory]) as worker:
        try:
            worker.open(
                left_s(),
                framework=variant.framework,
                device=job.device.name,
                threads=len(with_all.cpus),
                precision=job.workload.precision,
            )
            worker.load(left_s(), folder, start.execution, start.choices)
            verified = worker.verify(left_s())
            timed = worker.device_clock(left_s())
        except Failure as failure:
            if failure.outcome is Outcome.TIMEOUT and time.monotonic() >= end:
                return [CheckResult("not checked", True, "its time is over")]
            return [CheckResult(failure.outcome, failure.outcome == "unsupported", failure.reason)]
    return [
        identity(verified.gradient_errors, job.workload.precision),
        *clocks(timed),
    ]
