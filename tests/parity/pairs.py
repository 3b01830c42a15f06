"""Two sides of one phase timed in pairs, the ratio of their times, and what it says about the limit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

LIMIT = 1.05
WIDE = 0.05  # half of an interval, in logarithms; beyond it CPU time decides
WIDE_LIMIT = 1.10  # of wall time, where both intervals are wide
FLOOR_S = 1e-3  # shorter phases are mostly the cost of a call from Python
FEWEST, MOST = 9, 200
AGAIN = 3  # times as long and as many, for a line that is above the limit; the second answer stands

Call = Callable[[], Any]
Prepare = Callable[[], Call]


@dataclass(frozen=True)
class Ratio:
    """exp of the median of ln(ours / theirs), with a bootstrap 95 % interval."""

    centre: float
    low: float
    high: float

    @property
    def wide(self) -> bool:
        return math.log(self.high / self.low) / 2 > WIDE

    def above(self, limit: float) -> bool:
        """Beyond the limit, and not by chance: the whole interval lies above 1."""
        return self.centre > limit and self.low > 1


@dataclass(frozen=True)
class Pairs:
    """Seconds of each call of both sides, by the clock and of all CPUs that worked for it: arrays [n, 2]."""

    wall: np.ndarray
    cpu: np.ndarray

    @property
    def seconds(self) -> tuple[float, float]:
        """The median time of ours and of theirs."""
        ours, theirs = np.median(self.wall, axis=0)
        return float(ours), float(theirs)


def timed(call: Call) -> tuple[float, float]:
    """Wall and CPU seconds of one call."""
    cpu, wall = time.process_time(), time.perf_counter()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


def interleaved(ours: Prepare, theirs: Prepare, seconds: float, fewest: int) -> Pairs:
    """Pairs in alternating order for so many seconds, and that many at least. What `Prepare` does is not timed."""
    wall: list[tuple[float, float]] = []
    cpu: list[tuple[float, float]] = []
    end = time.perf_counter() + seconds
    while len(wall) < fewest or (time.perf_counter() < end and len(wall) < MOST):
        order = (0, 1) if len(wall) % 2 else (1, 0)
        found = {side: timed((ours, theirs)[side]()) for side in order}
        wall.append((found[0][0], found[1][0]))
        cpu.append((found[0][1], found[1][1]))
    return Pairs(np.array(wall), np.array(cpu))


def ratio(times: np.ndarray, resamples: int = 2000) -> Ratio:
    """Of times [n, 2], ours and theirs. Times of zero, which a coarse clock may give, count as its resolution."""
    logs = np.diff(np.log(np.maximum(times, 1e-9))[:, ::-1], axis=1)[:, 0]
    drawn = np.random.default_rng(0).choice(logs, (resamples, logs.size))
    low, high = np.quantile(np.median(drawn, axis=1), (0.025, 0.975))
    return Ratio(math.exp(np.median(logs)), math.exp(low), math.exp(high))


def verdict(wall: Ratio, cpu: Ratio, seconds: Sequence[float]) -> tuple[bool, str]:
    """Whether ours keeps to the limit, and a word on how that was decided."""
    if max(seconds) < FLOOR_S:
        return True, "not judged: below 1 ms"
    if not wall.wide:
        return not wall.above(LIMIT), "slower" if wall.above(LIMIT) else "ok"
    if not cpu.wide:
        slower = cpu.above(LIMIT)
        return not slower, f"{'slower' if slower else 'ok'} by CPU time: the clock's interval is wide"
    slower = wall.above(WIDE_LIMIT)
    return not slower, f"{'slower' if slower else 'ok'}, to {WIDE_LIMIT}: both intervals are wide"
