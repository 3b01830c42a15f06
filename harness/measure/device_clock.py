"""Times the phases of a program by the device's own clock, in calls of their own: inside the worker, after all else."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any

from adapters.base import Adapter, Program

from .clock import Samples, measure, nothing, one_cycle
from .machine.cupti import Recording, Unavailable, busy_s
from .protocol import DeviceClock

# Cycles by each clock: as many as fit into a second, within these limits.
FEWEST, MOST = 2, 10
LONG_ENOUGH_S = 1.0

UNCOUNTED = 2  # first cycles of a recording, in which CUPTI prepares each kernel that it meets


def device_clock(adapter: Adapter, program: Program, before_call: Callable[[], None] = nothing) -> DeviceClock:
    """Time each phase by the host's clock, by the framework's events, and by the device's record of its own work.

    The three never share a call: events and CUPTI both slow down what they time. `before_call` is called before each
    call, untimed.
    """
    samples = Samples()
    _repeat(lambda: samples.extend(measure(adapter, program, 1, 1, before_call=before_call)))
    events = _by_events(adapter, program, before_call)
    try:
        busy, kernels = _by_cupti(adapter, program, before_call)
    except Unavailable as unavailable:
        return DeviceClock(_medians(samples.seconds), _medians(events), reason=str(unavailable))
    if not any(map(any, busy.values())):
        return DeviceClock(_medians(samples.seconds), _medians(events), reason="CUPTI saw no work on the device")
    counts = {phase: statistics.median_low(numbers) for phase, numbers in kernels.items()}
    return DeviceClock(_medians(samples.seconds), _medians(events), _medians(busy), counts)


def _by_events(adapter: Adapter, program: Program, before_call: Callable[[], None]) -> dict[str, list[float]]:
    """Time each phase by the framework's own events on the device, gaps between kernels included."""
    seconds: dict[str, list[float]] = {}

    def run(phase: str, call: Callable[[], Any]) -> Any:
        before_call()
        result, duration = adapter.device_seconds(call)
        adapter.wait(result)
        if duration is not None:
            seconds.setdefault(phase, []).append(duration)
        return result

    one_cycle(program, run)
    if seconds:  # a framework without events has none in the next cycle either
        _repeat(lambda: one_cycle(program, run))
    return seconds


def _by_cupti(
    adapter: Adapter, program: Program, before_call: Callable[[], None]
) -> tuple[dict[str, list[float]], dict[str, list[int]]]:
    """Record each phase's seconds of work on the device, and its number of kernels. Raises Unavailable."""
    seconds: dict[str, list[float]] = {}
    kernels: dict[str, list[int]] = {}
    with Recording() as recording:

        def run(phase: str, call: Callable[[], Any]) -> Any:
            before_call()
            recording.take()
            result = call()
            adapter.wait(result)
            spans = recording.take()
            seconds.setdefault(phase, []).append(busy_s(spans))
            kernels.setdefault(phase, []).append(sum(span.is_kernel for span in spans))
            return result

        for _ in range(UNCOUNTED):
            one_cycle(program, run)
        seconds.clear()
        kernels.clear()
        _repeat(lambda: one_cycle(program, run))
    return seconds, kernels


def _repeat(cycle: Callable[[], None]) -> None:
    """Run cycles until a second is over, and at least FEWEST and at most MOST of them."""
    start = perf_counter()
    for number in range(MOST):
        if number >= FEWEST and perf_counter() - start >= LONG_ENOUGH_S:
            return
        cycle()


def _medians(seconds: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {phase: statistics.median(values) for phase, values in seconds.items()}
