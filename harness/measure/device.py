"""What a worker is asked about the device after its rounds. A failure costs these numbers, and no other."""

from __future__ import annotations

from .protocol import DeviceClock, Failure
from .rounds import Run

# The longest wait for the device's clock: to load CUPTI, and cycles that take several times as long as usual.
LOADING_S = 30.0
CYCLES = 100


def ask_device_clock(run: Run, deadline_s: float) -> DeviceClock:
    """Ask for the device's own times of a variant whose rounds are over; a failure leaves its reason in their place."""
    try:
        return run.worker.device_clock(min(deadline_s, LOADING_S + CYCLES * run.cycle_s))
    except Failure as failure:
        return DeviceClock(reason=f"{failure.outcome}: {failure.reason}")
