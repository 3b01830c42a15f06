"""Measures the self-check's network in fresh processes, and estimates how much they differ."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from adapters.base import PHASES

from ..measure import machine, stats
from ..measure.clock import Samples
from ..measure.rounds import Run, run_rounds
from ..measure.worker import MALLOC, Worker
from ..paths import cache_folder
from ..records.calibration import Spread

DEADLINE_S = 300.0
WARM_S = 5.0
QUANTITIES = {"ratio": ("backward", "forward"), "marginal": ("gradient", "inference")}


class Checked(NamedTuple):
    """A framework and one of its executions."""

    framework: str
    execution: str

    def __str__(self) -> str:
        return "-".join(self)


ALL = (
    Checked("torch", "eager"),
    Checked("torch", "compile"),
    Checked("jax", "jit"),
    Checked("tensorflow", "eager"),
    Checked("tensorflow", "graph"),
    Checked("tensorflow", "xla"),
)


def installed() -> list[Checked]:
    """The installed frameworks' executions, the first of them to be checked thoroughly; NumPy if there are none."""
    return [checked for checked in ALL if find_spec(checked.framework)] or [Checked("numpy", "by_hand")]


@contextmanager
def start(
    checked: Checked, folder: Path, results: Path, number: int, environment: Mapping[str, str] = MALLOC["kept"]
) -> Iterator[tuple[Worker, dict[str, Any]]]:
    """Start a fresh process with the workload in `folder`, warm. Yields the worker and what its warm-up found.

    Raises Failure.
    """
    cpus = machine.cpus()
    log = results / "logs" / "selfcheck" / f"{checked}-{number}.log"
    cache = {"TWOFOLD_CACHE_DIR": str(cache_folder(results))}
    with Worker(sys.executable, cpus, log, dict(environment) | cache) as worker:
        given = {"device": "cpu", "threads": len(cpus), "precision": "fp32"}
        worker.ask("open", DEADLINE_S, framework=checked.framework, **given)
        worker.ask("load", DEADLINE_S, folder=str(folder), execution=checked.execution)
        yield worker, worker.ask("warm", DEADLINE_S, limit_s=WARM_S)


def measure(
    checked: Checked,
    folder: Path,
    results: Path,
    number: int,
    cells: dict[str, float],
    budget_s: float,
    environment: Mapping[str, str] = MALLOC["kept"],
) -> dict[str, Samples]:
    """Measure each cell for `budget_s` in one fresh process, with backward prolonged by its share. Raises Failure."""
    with start(checked, folder, results, number, environment) as (worker, warm):
        cycle_s = warm["repeat"] * sum(warm["seconds"].values())
        runs = {cell: Run(worker, warm["repeat"], cycle_s, stretch) for cell, stretch in cells.items()}
        run_rounds(runs, target=1e-9, budget_s=budget_s, deadline_s=DEADLINE_S, finished=lambda *ended: None)
        for run in runs.values():
            if run.failure:
                raise run.failure
        return {cell: run.samples for cell, run in runs.items()}


def estimates(processes: Sequence[Samples], quantity: str) -> list[stats.Estimate]:
    """One estimate per process, in natural logarithms: of a ratio, or of one phase's time."""
    if quantity in QUANTITIES:
        top, bottom = QUANTITIES[quantity]
        return [stats.within(stats.log_ratio(p.seconds[top], p.seconds[bottom])) for p in processes]
    return [stats.within(stats.log_times(p.seconds[quantity])) for p in processes]


def sigma_of(found: Sequence[stats.Estimate]) -> float:
    """The process-to-process standard deviation of estimates, one per process."""
    return stats.process_sigma([e.centre for e in found], [e.se for e in found])


def spread(processes: Sequence[Samples]) -> Spread:
    """How much processes of one program differ, for every quantity."""
    return Spread(
        {q: sigma_of(estimates(processes, q)) for q in (*QUANTITIES, *PHASES)}, len(processes), len(processes) - 1
    )


def ratio(process: Samples) -> float:
    """The ratio backward / forward of one process."""
    return math.exp(estimates([process], "ratio")[0].centre)


def pair_spread(processes: Sequence[Samples]) -> float:
    """Standard deviation of ln(backward / forward) of single pairs: the median over processes."""
    return float(np.median([np.std(stats.log_ratio(p.seconds["backward"], p.seconds["forward"])) for p in processes]))
