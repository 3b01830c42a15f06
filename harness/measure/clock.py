"""Times the phases of a program inside the worker, by the host's clock around a framework's calls."""

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
from adapters.replicated import Replicated

from .machine.counters import between, busy_s, look, spent_s

# A timing lasts at least this long, against about 0.1 µs for reading the clock; short calls are repeated within it.
SHORTEST_TIMING_S = 1e-3
MOST_REPEATS = 64

# Warm-up ends when the medians of consecutive windows of 4 cycles differ by less than this, twice in a row.
STABLE = 0.03
WARM_WINDOW = 4
MOST_WARM_WINDOWS = 10


@dataclass
class Samples:
    """Timed cycles in order; entry i of each list belongs to cycle i.

    Attributes:
        seconds: per call, by phase.
        enqueue: the part of `seconds` until the call returned, by phase.
        switches: involuntary context switches of the process.
        cpu: processor seconds of the process, all threads included, and of the processes started for its replicas.
        others: processor seconds of everything else on the machine, including time stolen by the host.
        wall: elapsed seconds of the cycle.
        surroundings: state of the machine by name; one entry per visit, not per cycle; of a GPU, more in long visits.
    """

    seconds: dict[str, list[float]] = field(default_factory=dict)
    enqueue: dict[str, list[float]] = field(default_factory=dict)
    switches: list[int] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    surroundings: dict[str, list[float]] = field(default_factory=dict)

    def extend(self, other: Samples) -> None:
        """Append the cycles of `other`."""
        for ours, theirs in ((self.seconds, other.seconds), (self.enqueue, other.enqueue)):
            for phase, values in theirs.items():
                ours.setdefault(phase, []).extend(values)
        self.switches += other.switches
        self.cpu += other.cpu
        self.others += other.others
        self.wall += other.wall
        for name, readings in other.surroundings.items():
            self.surroundings.setdefault(name, []).extend(readings)

    def as_dict(self) -> dict[str, Any]:
        """Return the samples as a dictionary that JSON can hold."""
        return asdict(self)


def groups(phases: Sequence[str]) -> list[list[str]]:
    """Group phases in the order a cycle runs them: each group is a phase and those that use up its result."""
    return [
        [first, *(phase for phase in phases if AFTER.get(phase) == first)] for first in phases if first not in AFTER
    ]


def one_cycle(program: Program, run: Callable[[str, Callable[[], Any]], Any]) -> None:
    """Call `run(phase, call)` once for each phase. `run` must return the result of `call`."""
    for first, *following in groups(program.phases):
        result = run(first, getattr(program, first))
        for phase in following:
            run(phase, partial(getattr(program, phase), result))


def first_calls(adapter: Adapter, program: Program) -> dict[str, float]:
    """Time the first call of each phase, in seconds. Only these calls may trace, compile and tune."""
    first_call_s = {}

    def first(phase: str, call: Callable[[], Any]) -> Any:
        start = perf_counter()
        result = call()
        adapter.wait(result)
        first_call_s[phase] = perf_counter() - start
        return result

    one_cycle(program, first)
    return first_call_s


def nothing() -> None:
    """Do nothing, which is what comes before each timed call if caches stay warm."""


def warm_up(
    adapter: Adapter, program: Program, limit_s: float, before_call: Callable[[], None] = nothing
) -> tuple[dict[str, float], int]:
    """Run cycles until forward + backward is stable, ten windows are done, or `limit_s` is over.

    `before_call` is called before each call, untimed. Returns the median seconds of each phase in the last window, and
    the number of cycles.
    """
    end, cycles = perf_counter() + limit_s, 0
    levels: list[float] = []
    while True:
        window = Samples()
        while len(window.wall) < WARM_WINDOW and (perf_counter() < end or not window.wall):
            window.extend(measure(adapter, program, 1, 1, before_call=before_call))
        cycles += len(window.wall)
        pairs = zip(window.seconds["forward"], window.seconds["backward"], strict=True)
        levels.append(statistics.median(forward + backward for forward, backward in pairs))
        changes = [abs(later / earlier - 1) for earlier, later in pairwise(levels)]
        stable = len(changes) >= 2 and max(changes[-2:]) < STABLE
        if stable or len(levels) == MOST_WARM_WINDOWS or perf_counter() >= end:
            return {phase: statistics.median(seconds) for phase, seconds in window.seconds.items()}, cycles


def repeats(seconds: dict[str, float]) -> int:
    """Return how many calls one timing needs, so that the shortest phase takes far longer than reading the clock."""
    return min(MOST_REPEATS, max(1, math.ceil(SHORTEST_TIMING_S / min(seconds.values()))))


def loop(adapter: Adapter, program: Program, chain: Sequence[str], least_s: float) -> int:
    """Call phases in turn until `least_s` is over: the first, and others that use its result. Returns how often."""
    end, calls = perf_counter() + least_s, 0
    while perf_counter() < end:
        result = getattr(program, chain[0])()
        for phase in chain[1:]:
            result = getattr(program, phase)(result)
        adapter.wait(result)
        calls += 1
    return calls


def measure(
    adapter: Adapter,
    program: Program,
    cycles: int,
    repeat: int,
    stretch: float = 0.0,
    before_call: Callable[[], None] = nothing,
) -> Samples:
    """Time cycles of all phases, in alternating order (ABBA).

    A phase that uses another's result always follows it, as backward follows forward. Python's garbage collection is
    off meanwhile.

    Args:
        adapter: waits for results.
        program: the program to time.
        cycles: how many cycles.
        repeat: calls of a phase within one timing.
        stretch: prolongs each backward by this share of its own time: a known truth for the self-check.
        before_call: called before each timing, untimed.
    """
    samples = Samples({phase: [] for phase in program.phases}, {phase: [] for phase in program.phases})

    def timed(phase: str, call: Callable[[], Any]) -> list[Any]:
        before_call()
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

    helpers = program.processes if isinstance(program, Replicated) else ()
    steps = [(first, following) for first, *following in groups(program.phases)]
    before = look()
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(cycles):
            busy, helped = busy_s(), spent_s(helpers)
            usage, start = resource.getrusage(resource.RUSAGE_SELF), perf_counter()
            for first, following in steps:
                step(first, following)
            samples.wall.append(perf_counter() - start)
            after = resource.getrusage(resource.RUSAGE_SELF)
            samples.switches.append(after.ru_nivcsw - usage.ru_nivcsw)
            own = after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime + spent_s(helpers) - helped
            samples.cpu.append(own)
            samples.others.append(busy_s() - busy - own)
            steps.reverse()
    finally:
        if collecting:
            gc.enable()
    samples.surroundings = between(before, look())
    return samples
