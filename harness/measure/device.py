"""What a worker is asked about its device after its rounds. A failure costs these numbers, and no other."""

from __future__ import annotations

from dataclasses import dataclass

from .protocol import DeviceClock, Failure, PeakMemory
from .rounds import Run

# The longest wait for an answer: to load CUPTI, and cycles that take several times as long as usual.
LOADING_S = 30.0
CYCLES = 100


@dataclass
class DeviceNumbers:
    """What is known of a variant on a GPU besides its times by the wall clock; each part has a reason if it failed."""

    memory: PeakMemory
    clock: DeviceClock


def ask_device(run: Run, deadline_s: float) -> DeviceNumbers:
    """Ask about a variant whose rounds are over. A worker that fails is gone, so what follows has the same reason."""
    patience_s = min(deadline_s, LOADING_S + CYCLES * run.cycle_s)
    numbers = DeviceNumbers(PeakMemory(), DeviceClock())
    try:
        numbers.memory = run.worker.peak_memory(patience_s)
        numbers.clock = run.worker.device_clock(patience_s)
    except Failure as failure:
        reason = f"{failure.outcome}: {failure.reason}"
        numbers.memory = numbers.memory if numbers.memory.peak_bytes else PeakMemory(reason=reason)
        numbers.clock = DeviceClock(reason=reason)
    return numbers
