"""Asks the framework how much of the device's memory each phase needs: inside the worker, in calls of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adapters.base import Adapter, Program

from .clock import one_cycle
from .protocol import PeakMemory


def peak_memory(adapter: Adapter, program: Program) -> PeakMemory:
    """Run each phase once more, and return the peak of each. A framework that fails at it leaves its reason."""
    peaks: dict[str, int] = {}

    def run(phase: str, call: Callable[[], Any]) -> Any:
        result, peak = adapter.peak_bytes(call)
        adapter.wait(result)
        if peak is not None:
            peaks[phase] = peak
        return result

    try:
        one_cycle(program, run)
    except Exception as error:  # what else is asked of this worker does not depend on it
        return PeakMemory(reason=f"{type(error).__name__}: {error}".splitlines()[0][:200])
    return PeakMemory(peaks)
