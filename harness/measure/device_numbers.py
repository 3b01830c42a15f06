"""What is asked about a worker's device after its rounds. A failure costs these numbers, and no other."""

from __future__ import annotations

from dataclasses import dataclass

from ..job import Measure
from .energy import LOOP_S, Energy, energy
from .protocol import DeviceClock, Failure, PeakMemory
from .rounds import Run

# The longest wait for an answer: to load CUPTI, and cycles that take several times as long as usual.
LOADING_S = 30.0
CYCLES = 100


@dataclass(frozen=True)
class DeviceNumbers:
    """What is known of a variant's device besides its times by the wall clock; None for what was not asked."""

    memory: PeakMemory | None = None
    energy: Energy | None = None
    clock: DeviceClock | None = None


def ask_reduction(run: Run, deadline_s: float) -> dict[str, float]:
    """Ask a program of several replicas, whose rounds are over, what its framework tells of its reductions."""
    try:
        return run.worker.reduction(deadline_s)
    except Failure:
        return {}


def ask_device(run: Run, device: str, measure: Measure) -> DeviceNumbers:
    """Ask about a variant whose rounds are over.

    What may fail comes last, since a worker that fails is gone; what was not answered then has the failure as its
    reason.
    """
    on_gpu = device == "cuda"
    patience_s = min(measure.deadline_s, LOADING_S + LOOP_S + CYCLES * run.cycle_s)
    memory = joules = clock = None
    try:
        if on_gpu:
            memory = run.worker.peak_memory(patience_s)
        if measure.energy:
            joules = energy(run.worker, list(run.samples.seconds), device, patience_s)
        if on_gpu:
            clock = run.worker.device_clock(patience_s)
        else:  # the last of all: it may change how this process's memory is managed
            memory = run.worker.peak_memory(patience_s)
    except Failure as failure:
        reason = f"{failure.outcome}: {failure.reason}"
        memory = memory or PeakMemory(reason=reason)
        if on_gpu:
            clock = DeviceClock(reason=reason)
        if measure.energy:
            joules = joules or Energy(reason=reason)
    return DeviceNumbers(memory, joules, clock)
