"""What is measured in which order, and when to stop: all variants of one workload, interleaved."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from . import stats
from .clock import Samples
from .protocol import Failure
from .stopping import Stop, stop
from .worker import Worker

Key = TypeVar("Key", bound=Hashable)

CYCLES_PER_VISIT = 4  # of 1 to 16, all were alike; one long visit was 10-20 % worse
LONGEST_VISIT_S = 2.0  # slow programs get fewer cycles a visit, so that drift hits all variants alike


@dataclass
class Run:
    """One variant within the rounds: its worker, its samples, and how and why it ended."""

    worker: Worker
    repeat: int
    cycle_s: float
    stretch: float = 0.0  # of backward, for the self-check
    samples: Samples = field(default_factory=Samples)
    stop: str = ""
    failure: Failure | None = None

    @property
    def cycles(self) -> int:
        return len(self.samples.wall)

    def log_ratios(self) -> np.ndarray:
        return stats.log_ratio(self.samples.seconds["backward"], self.samples.seconds["forward"])


def run_rounds(
    runs: Mapping[Key, Run],
    *,
    target: float,
    budget_s: float,
    deadline_s: float,
    finished: Callable[[Key, Run, float], None],
    now: Callable[[], float] = time.monotonic,
) -> None:
    """Visit the variants in turn until each has reached its target, settled above it, or spent its budget.

    `target` is the relative half-width wanted for the ratio, within the process; `budget_s` the seconds of
    measuring for each variant. The order is reversed every other round and rotated every second one.
    `finished` is called as soon as a variant ends, well or not, with the seconds that the others may still take.
    """
    spent = dict.fromkeys(runs, 0.0)
    active = list(runs)
    round_number = 0
    while active:
        order = active[round_number // 2 % len(active) :] + active[: round_number // 2 % len(active)]
        for key in order if round_number % 2 == 0 else order[::-1]:
            run = runs[key]
            start = now()
            try:
                _visit(run, budget_s - spent[key], deadline_s)
            except Failure as failure:
                run.failure = failure
            spent[key] += now() - start
            run.stop = _reason_to_stop(run, target, budget_s - spent[key])
            if run.stop or run.failure:
                active.remove(key)
                finished(key, run, sum(budget_s - spent[other] for other in active))
        round_number += 1


def _visit(run: Run, left_s: float, deadline_s: float) -> None:
    cycles = max(1, min(CYCLES_PER_VISIT, round(min(LONGEST_VISIT_S, left_s) / run.cycle_s)))
    run.samples.extend(run.worker.measure(deadline_s, cycles, run.repeat, run.stretch))


def _reason_to_stop(run: Run, target: float, left_s: float) -> str:
    if run.failure:
        return ""
    if left_s < run.cycle_s:
        return "budget"
    return "" if (found := stop(run.log_ratios(), target)) is Stop.CONTINUE else str(found)
