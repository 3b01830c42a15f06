"""Measures the self-check's network in fresh processes, and estimates how much they differ."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from omegaconf import OmegaConf

from adapters.base import PHASES

from ..job import Variant
from ..measure import stats
from ..measure.clock import Samples
from ..measure.machine.resources import cpus
from ..measure.protocol import WarmUp
from ..measure.rounds import Run, run_rounds
from ..measure.worker import MALLOC, Worker
from ..paths import ROOT, cache_folder
from ..records.calibration import Spread

DEADLINE_S = 300.0
WARM_S = 5.0
QUANTITIES = {"ratio": ("backward", "forward"), "marginal": ("gradient", "inference")}


def installed() -> list[Variant]:
    """Every framework and execution that can be checked here, the first of them thoroughly; NumPy without any."""
    chosen = OmegaConf.to_container(OmegaConf.load(ROOT / "conf" / "variants" / "all.yaml"))
    assert isinstance(chosen, dict)
    variants = [Variant(str(name), execution) for name, executions in chosen.items() for execution in executions]
    return [variant for variant in variants if find_spec(variant.framework)] or [Variant("numpy", "by_hand")]


@contextmanager
def start(
    variant: Variant, folder: Path, results: Path, number: int, environment: Mapping[str, str] = MALLOC["kept"]
) -> Iterator[tuple[Worker, WarmUp]]:
    """A warm worker of the workload in `folder`, in a fresh process, and what its warm-up answered. Raises Failure."""
    usable = cpus()
    log = results / "logs" / "selfcheck" / f"{variant}-{number}.log"
    cache = {"TWOFOLD_CACHE_DIR": str(cache_folder(results))}
    with Worker(sys.executable, usable, log, dict(environment) | cache) as worker:
        worker.open(DEADLINE_S, framework=variant.framework, device="cpu", threads=len(usable), precision="fp32")
        worker.load(DEADLINE_S, folder, variant.execution)
        yield worker, worker.warm(DEADLINE_S, WARM_S)


def measure(
    variant: Variant,
    folder: Path,
    results: Path,
    number: int,
    cells: dict[str, float],
    budget_s: float,
    environment: Mapping[str, str] = MALLOC["kept"],
) -> dict[str, Samples]:
    """One fresh process: each cell, with backward prolonged by its share, for `budget_s`. Raises Failure."""
    with start(variant, folder, results, number, environment) as (worker, warm):
        runs = {cell: Run(worker, warm.repeat, warm.cycle_s, stretch) for cell, stretch in cells.items()}
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
