"""Checks of the real rounds and statistics on simulated workers, where the truth is exact and repeats are cheap."""

from __future__ import annotations

import math

import numpy as np

from ..measure import stats
from ..measure.comparison import Answer, compared
from ..measure.rounds import Run, run_rounds
from ..measure.stopping import CAP_PAIRS
from .checks import RIGOROUS, Check, Process, differences
from .processes import estimates, sigma_of
from .simulate import SimulatedWorker

SECONDS = {"inference": 6e-3, "forward": 7e-3, "backward": 13e-3, "gradient": 20e-3}
REPEATS = 400
TWICE = 100  # comparisons of a cell with itself
MOST_PROCESSES = 60  # of one comparison; a machine that needs more cannot tell equal from unequal


def simulated_checks(sigma: float, pair: float, processes: int) -> list[Check]:
    """Check that a known ratio is recovered, that intervals cover it, and that a cell is the same as itself.

    The noise is this machine's: `sigma` between processes, `pair` of one pair, as standard deviations of logarithms.
    Each repeat has a simulated self-check of its own, with as many processes as the real one.
    """
    generator = np.random.default_rng(20221130)
    found = [_process(generator, sigma, pair) for _ in range(REPEATS)]
    truth = math.log(SECONDS["backward"] / SECONDS["forward"])
    bias = float(np.expm1(np.mean([e.centre for e in found]) - truth))
    held = float(np.mean([_holds(found, i, processes, truth) for i in range(REPEATS)]))
    return [
        Check("known ratio recovered, simulated", abs(bias) < 0.005, f"off by {bias:+.2%} over {REPEATS} repeats"),
        # 93 to 97 %, widened by the sampling error of so many repeats.
        Check("coverage of the 95 % interval, simulated", 0.92 <= held <= 0.985, f"{held:.1%} of {REPEATS} repeats"),
        _same_twice(generator, sigma, pair),
    ]


def _same_twice(generator: np.random.Generator, sigma: float, pair: float) -> Check:
    """Find how many processes it takes to call a cell the same as itself in 95 of 100 comparisons.

    On a noisy machine the processes of `measure=rigorous` may be too few, which is no fault of the instrument but worth
    knowing. Comparisons with more processes draw them, with replacement, from all that were simulated.
    """
    pool = [_twice(generator, sigma, pair) for _ in range(RIGOROUS * TWICE)]
    changes, errors = map(np.array, differences(pool, "again"))

    def share(chosen: np.ndarray) -> float:
        answers = [compared(changes[each], errors[each], sigma=0.0).answer for each in chosen]
        return answers.count(Answer.SAME) / len(answers)

    few = share(np.arange(changes.size).reshape(TWICE, RIGOROUS))
    processes, held = RIGOROUS, few
    while held < 0.95 and processes < MOST_PROCESSES:
        processes += 1
        held = share(generator.integers(changes.size, size=(TWICE, processes)))
    seen = f"in {few:.0%} of {TWICE} comparisons by {RIGOROUS} processes"
    if processes > RIGOROUS:
        seen += f"; in {held:.0%} by {processes}" + (f": compare by measure.trials={processes}" if held >= 0.95 else "")
    return Check("the same cell twice is the same, simulated", held >= 0.95, seen)


def _process(generator: np.random.Generator, sigma: float, pair: float) -> stats.Estimate:
    worker = SimulatedWorker(SECONDS, generator, process=sigma, pair=pair)
    run = Run(worker, 1, sum(SECONDS.values()))  # type: ignore[arg-type]
    run_rounds({0: run}, target=0.02, budget_s=8, deadline_s=1, finished=lambda *ended: None, now=worker.clock)
    return estimates([run.samples], "ratio")[0]


def _holds(found: list[stats.Estimate], i: int, processes: int, truth: float) -> bool:
    """Whether one process's interval covers the truth, with the processes after it as its self-check."""
    checked = [found[(i + j) % len(found)] for j in range(1, processes + 1)]
    interval = stats.moderated([found[i].centre], [found[i].se], sigma_of(checked), processes - 1)
    return abs(found[i].centre - truth) <= interval.half_width()


def _twice(generator: np.random.Generator, sigma: float, pair: float) -> Process:
    """Simulate a process that measures the same cell twice, each with as many pairs as a variant may have."""
    worker = SimulatedWorker(SECONDS, generator, process=sigma, pair=pair)
    runs = {cell: Run(worker, 1, sum(SECONDS.values())) for cell in ("once", "again")}  # type: ignore[arg-type]
    budget_s = CAP_PAIRS * sum(SECONDS.values())
    run_rounds(runs, target=1e-9, budget_s=budget_s, deadline_s=1, finished=lambda *ended: None, now=worker.clock)
    return {cell: run.samples for cell, run in runs.items()}
