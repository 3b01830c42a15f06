"""How much of the device's memory each phase needs: asked inside the worker, in calls of their own, the last of all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adapters.base import Adapter, Program

from .clock import one_cycle
from .high_water import HighWater
from .protocol import PeakMemory

HIGH_WATER = "the process's high-water mark beyond what it held before, and the parameters"


def peak_memory(adapter: Adapter, program: Program) -> PeakMemory:
    """Run each phase once more, and return the peak of each. What fails leaves its reason.

    The framework counts where it can. Where it cannot, the process's high-water mark says it, and from then on freed
    memory goes back to the system.
    """
    peaks: dict[str, int] = {}

    def ask(phase: str, call: Callable[[], Any]) -> Any:
        result, peak = adapter.peak_bytes(call)
        adapter.wait(result)
        if peak is not None:
            peaks[phase] = peak + uncounted
        return result

    try:
        _, at_rest = adapter.peak_bytes(lambda: None)
        uncounted = 0 if adapter.counts_parameters else _parameter_bytes(program) - (at_rest or 0)
        one_cycle(program, ask)
        if peaks:
            return PeakMemory(peaks, adapter.peak_source)
        return PeakMemory(_by_high_water(adapter, program), HIGH_WATER)
    except Exception as error:  # what else is asked of this worker does not depend on it
        return PeakMemory(reason=f"{type(error).__name__}: {error}".splitlines()[0][:200])


def _by_high_water(adapter: Adapter, program: Program) -> dict[str, int]:
    """The peak of each phase in bytes. Raises OSError where the system does not say."""
    peaks: dict[str, int] = {}
    parameters, mark = _parameter_bytes(program), HighWater()

    def watch(phase: str, call: Callable[[], Any]) -> Any:
        def finished() -> Any:
            result = call()
            adapter.wait(result)
            return result

        result, peak = mark.of(finished)
        peaks[phase] = parameters + peak
        return result

    one_cycle(program, watch)
    return peaks


def _parameter_bytes(program: Program) -> int:
    return sum(array.nbytes for array in program.export(program.parameters()).values())
