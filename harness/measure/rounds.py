"""Measures all variants of one workload, interleaved in rounds, until each has been measured enough."""

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

CYCLES_PER_VISIT = 4  # 1 to 16 all did equally well; one long visit was 10-20 % worse
LONGEST_VISIT_S = 2.0  # slow programs get fewer cycles a visit, so that drift affects all variants alike


@dataclass
class Run:
    """One variant within the rounds: its worker, its samples so far, and why it stopped or failed."""

    worker: Worker
    repeat: int
    cycle_s: float
    stretch: float = 0.0  # prolongs each backward by this share of its time, for the self-check
    look: Callable[[float], dict[str, list[float]]] = lambda start: {}  # readings of the GPU since a time
    samples: Samples = field(default_factory=Samples)
    stop: str = ""
    failure: Failure | None = None

    @property
    def cycles(self) -> int:
        """The number of cycles timed so far."""
        return len(self.samples.wall)

    def log_ratios(self) -> np.ndarray:
        """Compute ln(backward / forward) of each pair so far."""
        return stats.log_ratio(self.samples.seconds["backward"], self.samples.seconds["forward"])


def run_rounds(
    runs: Mapping[Key, Run],
    *,
    target: float,
    budget_s: float,
    deadline_s: float,
    finished: Callable[[Key, Run, float], None],
    visiting: Callable[[Key, float], None] = lambda key, left_s: None,
    now: Callable[[], float] = time.monotonic,
) -> None:
    """Visit the variants in turn until each stops: see `Stop` for the reasons; "budget" is one more.

    Every other round runs in reverse order, and after every two rounds the order is rotated by one place.

    Args:
        runs: the variants; their samples, `stop` and `failure` are filled in.
        target: the relative half-width wanted for the ratio's interval within this process.
        budget_s: seconds of measuring for each variant.
        deadline_s: seconds within which a worker must answer.
        finished: called with (key, run, seconds that the others may still take) as soon as a variant stops or fails.
        visiting: called with (key, seconds that all may still take) before each visit, while nothing is timed.
        now: the clock, in seconds.
    """
    spent = dict.fromkeys(runs, 0.0)
    active = list(runs)
    round_number = 0
    while active:
        order = active[round_number // 2 % len(active) :] + active[: round_number // 2 % len(active)]
        for key in order if round_number % 2 == 0 else order[::-1]:
            run = runs[key]
            visiting(key, sum(budget_s - spent[other] for other in active))
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
    """Measure some cycles of one variant: at least one, and no more than fit into a visit and into its budget."""
    cycles = max(1, min(CYCLES_PER_VISIT, round(min(LONGEST_VISIT_S, left_s) / run.cycle_s)))
    start = time.monotonic()
    samples = run.worker.measure(deadline_s, cycles, run.repeat, run.stretch)
    samples.surroundings |= run.look(start)
    run.samples.extend(samples)


def _reason_to_stop(run: Run, target: float, left_s: float) -> str:
    """Return why a variant stops after this visit; empty if it goes on, or has failed."""
    if run.failure:
        return ""
    if left_s < run.cycle_s:
        return "budget"
    decision = stop(run.log_ratios(), target)
    return "" if decision is Stop.CONTINUE else str(decision)
