"""Times the phases of a program inside the worker. The only place where a clock is read around a framework."""

from __future__ import annotations

import gc
import math
import resource
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import pairwise
from time import perf_counter
from typing import Any

from adapters.base import AFTER, Adapter, Program

from .machine.counters import between, busy_s, look

# A timed block is at least this long, against about 0.1 µs for reading the clock.
SHORTEST_BLOCK_S = 1e-3
MOST_REPEATS = 64

# Warm-up ends when the medians of consecutive blocks of 4 cycles differ by less than this, twice.
STABLE = 0.03
WARM_BLOCK = 4
MOST_WARM_BLOCKS = 10


@dataclass
class Samples:
    """Timed cycles in order; entry i of each list belongs to cycle i.

    `seconds` per call by phase; `enqueue` the part of them until the call returned; `switches`, involuntary
    context switches of the process; `cpu`, processor seconds over all threads; `others`, those that everything else
    had on the same machine, the host included; `wall`, seconds of the cycle. `surroundings` has one entry for each
    visit instead, or for each look at the GPU.
    """

    seconds: dict[str, list[float]] = field(default_factory=dict)
    enqueue: dict[str, list[float]] = field(default_factory=dict)
    switches: list[int] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    surroundings: dict[str, list[float]] = field(default_factory=dict)

    def extend(self, other: Samples) -> None:
        """Append the other's cycles."""
        for ours, more in ((self.seconds, other.seconds), (self.enqueue, other.enqueue)):
            for phase, values in more.items():
                ours.setdefault(phase, []).extend(values)
        self.switches += other.switches
        self.cpu += other.cpu
        self.others += other.others
        self.wall += other.wall
        for name, seen in other.surroundings.items():
            self.surroundings.setdefault(name, []).extend(seen)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def groups(phases: Sequence[str]) -> list[list[str]]:
    """The phases of a cycle, in order; one that uses another's result stands right behind it."""
    return [[first, *(p for p in phases if AFTER.get(p) == first)] for first in phases if first not in AFTER]


def _one_cycle(program: Program, run: Callable[[str, Callable[[], Any]], Any]) -> None:
    """`run(phase, call)` for each phase once; it returns what `call` returned."""
    for first, *following in groups(program.phases):
        result = run(first, getattr(program, first))
        for phase in following:
            run(phase, partial(getattr(program, phase), result))


def first_calls(adapter: Adapter, program: Program) -> dict[str, float]:
    """Seconds of the first call of each phase: trace, compile and tune are in here and nowhere else."""
    took = {}

    def first(phase: str, call: Callable[[], Any]) -> Any:
        start = perf_counter()
        result = call()
        adapter.wait(result)
        took[phase] = perf_counter() - start
        return result

    _one_cycle(program, first)
    return took


def device_clock(adapter: Adapter, program: Program, calls: int = 20) -> tuple[dict[str, float], dict[str, float]]:
    """Median seconds of each phase by the host's clock and by the device's; the second is empty without one."""
    host: dict[str, list[float]] = {phase: [] for phase in program.phases}
    device: dict[str, list[float]] = {phase: [] for phase in program.phases}

    def timed(phase: str, call: Callable[[], Any]) -> Any:
        start = perf_counter()
        result, seconds = adapter.device_seconds(call)
        adapter.wait(result)
        host[phase].append(perf_counter() - start)
        if seconds is not None:
            device[phase].append(seconds)
        return result

    for _ in range(calls):
        _one_cycle(program, timed)
    medians = [{p: statistics.median(s) for p, s in clock.items() if s} for clock in (host, device)]
    return medians[0], medians[1]


def warm_up(adapter: Adapter, program: Program, limit_s: float) -> tuple[dict[str, float], int]:
    """Run cycles until forward + backward is stable, ten blocks are done, or `limit_s` is over.

    Returns the seconds of each phase in the last block, and the number of cycles.
    """
    end, cycles = perf_counter() + limit_s, 0
    levels: list[float] = []
    while True:
        block = Samples()
        while len(block.wall) < WARM_BLOCK and (perf_counter() < end or not block.wall):
            block.extend(measure(adapter, program, 1, 1))
        cycles += len(block.wall)
        pairs = zip(block.seconds["forward"], block.seconds["backward"], strict=True)
        levels.append(statistics.median(f + b for f, b in pairs))
        changes = [abs(b / a - 1) for a, b in pairwise(levels)]
        stable = len(changes) >= 2 and max(changes[-2:]) < STABLE
        if stable or len(levels) == MOST_WARM_BLOCKS or perf_counter() >= end:
            return {phase: statistics.median(seconds) for phase, seconds in block.seconds.items()}, cycles


def repeats(seconds: dict[str, float]) -> int:
    """How many calls one timed block needs, so that the shortest phase is long against the clock."""
    return min(MOST_REPEATS, max(1, math.ceil(SHORTEST_BLOCK_S / min(seconds.values()))))


def measure(adapter: Adapter, program: Program, cycles: int, repeat: int, stretch: float = 0.0) -> Samples:
    """Time `cycles` cycles of all phases, in alternating order (ABBA), `repeat` calls to a block.

    A phase that uses another's result always follows it, as backward does forward. Garbage collection is off
    meanwhile. `stretch` prolongs each backward by that share of itself: a known truth for the self-check.
    """
    samples = Samples({phase: [] for phase in program.phases}, {phase: [] for phase in program.phases})

    def timed(phase: str, call: Callable[[], Any]) -> list[Any]:
        start = perf_counter()
        results = [call() for _ in range(repeat)]
        returned = perf_counter()
        adapter.wait(results)
        done = perf_counter()
        if stretch and phase == "backward":
            until = start + (done - start) * (1 + stretch)
            while (done := perf_counter()) < until:
                pass
        samples.seconds[phase].append((done - start) / repeat)
        samples.enqueue[phase].append((returned - start) / repeat)
        return results

    def step(first: str, following: Sequence[str]) -> None:
        results = timed(first, getattr(program, first))
        for phase in following:
            call = getattr(program, phase)
            timed(phase, lambda call=call: call(results.pop()))  # type: ignore[misc]

    steps = [(first, following) for first, *following in groups(program.phases)]
    before = look()
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(cycles):
            busy, usage, start = busy_s(), resource.getrusage(resource.RUSAGE_SELF), perf_counter()
            for first, following in steps:
                step(first, following)
            samples.wall.append(perf_counter() - start)
            after = resource.getrusage(resource.RUSAGE_SELF)
            samples.switches.append(after.ru_nivcsw - usage.ru_nivcsw)
            own = after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime
            samples.cpu.append(own)
            samples.others.append(busy_s() - busy - own)
            steps.reverse()
    finally:
        if collecting:
            gc.enable()
    samples.surroundings = between(before, look())
    return samples
