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

    The framework counts where it can. Where it cannot, the process's high-water mark is used, and from then on freed
    memory goes back to the system.
    """
    try:
        counted = _counted(adapter, program)
        if not counted:
            return PeakMemory(_by_high_water(adapter, program), HIGH_WATER)
        if adapter.counts_all_memory:
            return PeakMemory(counted, adapter.peak_source)
        beyond = _by_high_water(adapter, program)
        return PeakMemory(
            {phase: peak + counted[phase] for phase, peak in beyond.items()}, f"{adapter.peak_source}; {HIGH_WATER}"
        )
    except Exception as error:  # what else is asked of this worker does not depend on it
        return PeakMemory(reason=f"{type(error).__name__}: {error}".splitlines()[0][:200])


def _counted(adapter: Adapter, program: Program) -> dict[str, int]:
    """What the framework counts in each phase, in bytes: all of it, or else what is beyond that at rest."""
    peaks: dict[str, int] = {}
    _, at_rest = adapter.peak_bytes(lambda: None)

    def ask(phase: str, call: Callable[[], Any]) -> Any:
        result, peak = adapter.peak_bytes(call)
        adapter.wait(result)
        if peak is not None:
            peaks[phase] = peak if adapter.counts_all_memory else max(0, peak - (at_rest or 0))
        return result

    one_cycle(program, ask)
    return peaks


def _by_high_water(adapter: Adapter, program: Program) -> dict[str, int]:
    """The parameters' bytes and what the process takes beyond. Raises OSError where the system does not say."""
    peaks: dict[str, int] = {}
    parameters = sum(array.nbytes for array in program.export(program.parameters()).values())
    mark = HighWater()

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
