"""The instrument against known truth: `make selfcheck`. Prints a line for each check, stores what it found.

Real: one cell in many fresh processes, each measured as itself twice and with backward prolonged by two known
shares, all interleaved. Simulated: the same rounds and statistics on a counted clock, where the truth is exact.
"""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from adapters.base import PHASES

from .errors import UserError
from .findings.calibration import MEASURED_DF, Calibration, store
from .measure import machine, stats
from .measure.clock import Samples
from .measure.pool import MALLOC, Worker
from .measure.protocol import Failure
from .measure.rounds import Run, run_rounds
from .measure.simulate import SimulatedWorker
from .measure.verdict import Answer, verdict
from .workload.workload import Workload, save

PROCESSES = 20
PAIRS_S = 5.0  # measuring for each cell of one process
DELAY, SLIGHT_DELAY = 0.05, 0.02
RIGOROUS = 5  # processes of measure=rigorous, which must be enough for the slight delay
SIMULATED = 200
DEADLINE_S = 120.0
CELLS = {"once": 0.0, "again": 0.0, "delayed": DELAY, "slightly": SLIGHT_DELAY}
QUANTITIES = {"ratio": ("backward", "forward"), "marginal": ("gradient", "inference")}


@dataclass(frozen=True)
class Check:
    """One line of the self-check."""

    name: str
    good: bool
    seen: str

    def __str__(self) -> str:
        return f"{'ok  ' if self.good else 'FAIL'} {self.name}: {self.seen}"


def framework() -> tuple[str, str]:
    """The framework and execution that the check runs: PyTorch if it is there, else NumPy."""
    return ("torch", "eager") if find_spec("torch") else ("numpy", "by_hand")


@contextmanager
def start_check(folder: Path, results: Path, number: int) -> Iterator[tuple[Worker, dict[str, Any]]]:
    """A warm worker of the check's cell, in a fresh process, and what its warm-up answered. Raises Failure."""
    name, execution = framework()
    cpus = machine.cpus()
    with Worker(sys.executable, cpus, results / "logs" / "selfcheck" / f"{number}.log", MALLOC["kept"]) as worker:
        given = {"framework": name, "device": "cpu", "threads": len(cpus), "precision": "fp32"}
        worker.ask("open", DEADLINE_S, **given)
        worker.ask("load", DEADLINE_S, folder=str(folder), execution=execution)
        yield worker, worker.ask("warm", DEADLINE_S, limit_s=5.0)


def measure_process(folder: Path, results: Path, number: int) -> dict[str, Samples]:
    """The cells of one fresh process. Raises Failure."""
    with start_check(folder, results, number) as (worker, warm):
        cycle_s = warm["repeat"] * sum(warm["seconds"].values())
        runs = {cell: Run(worker, warm["repeat"], cycle_s, stretch) for cell, stretch in CELLS.items()}
        measure_cells(runs, PAIRS_S)
        return {cell: run.samples for cell, run in runs.items()}


def measure_cells(runs: dict[str, Run], budget_s: float) -> None:
    """Rounds that end with the budget and nothing else. Raises the Failure of a run."""
    run_rounds(runs, target=1e-9, budget_s=budget_s, deadline_s=DEADLINE_S, finished=lambda *ended: None)
    for run in runs.values():
        if run.failure:
            raise run.failure


def estimates(processes: Sequence[Samples], quantity: str) -> list[stats.Estimate]:
    """One estimate a process: of a ratio, or of one phase's time, in logarithms."""
    if quantity in QUANTITIES:
        top, bottom = QUANTITIES[quantity]
        return [stats.within(stats.log_ratio(p.seconds[top], p.seconds[bottom])) for p in processes]
    return [stats.within(stats.log_times(p.seconds[quantity])) for p in processes]


def sigma_of(found: Sequence[stats.Estimate]) -> float:
    """Process-to-process standard deviation."""
    return stats.process_sigma([e.centre for e in found], [e.se for e in found])


def coverage(found: Sequence[stats.Estimate]) -> float:
    """Share of processes whose own interval, by the sigma of the others, holds the mean of the others."""
    hits = 0
    for i, own in enumerate(found):
        others = [e for j, e in enumerate(found) if j != i]
        sigma, truth = sigma_of(others), float(np.mean([e.centre for e in others]))
        # The others' mean is itself uncertain by sigma / sqrt(n); that is no fault of the interval.
        allowed = stats.moderated([own.centre], [own.se], sigma, MEASURED_DF).half_width() * math.sqrt(
            1 + 1 / len(others)
        )
        hits += abs(own.centre - truth) <= allowed
    return hits / len(found)


def judge(processes: Sequence[dict[str, Samples]], other: str) -> tuple[Answer, float, float]:
    """Verdict for a cell against "once" within the same processes; the change found, and its half-width."""
    old, new = (estimates([p[cell] for p in processes], "ratio") for cell in ("once", other))
    differences = [b.centre - a.centre for a, b in zip(old, new, strict=True)]
    errors = [math.hypot(a.se, b.se) for a, b in zip(old, new, strict=True)]
    found = verdict(differences, errors, sigma=0.0)
    return found.answer, found.change.centre - 1, (found.change.high - found.change.low) / 2


def slight_delay_check(processes: Sequence[dict[str, Samples]]) -> Check:
    """Whether as many processes as `measure=rigorous` has find the slight delay: in three sets of four, and none denies
    it.
    """
    sets = [processes[i : i + RIGOROUS] for i in range(0, len(processes) - RIGOROUS + 1, RIGOROUS)]
    answers = [judge(each, "slightly")[0] for each in sets]
    found = answers.count(Answer.SLOWER)
    denied = {Answer.SAME, Answer.FASTER} & set(answers)
    return Check(
        f"a delay of {SLIGHT_DELAY:.0%} is found by {RIGOROUS} processes",
        bool(sets) and found >= 0.75 * len(sets) and not denied,
        f"in {found} of {len(sets)} sets; {judge(processes, 'slightly')[1]:+.2%} over all",
    )


def simulated_checks(sigma: float, pair: float) -> list[Check]:
    """Coverage of the 95 % interval and recovery of a known ratio, over simulated repeats of this machine."""
    generator = np.random.default_rng(20221130)
    seconds = {"inference": 6e-3, "forward": 7e-3, "backward": 13e-3, "gradient": 20e-3}
    truth = math.log(seconds["backward"] / seconds["forward"])
    found = []
    for _ in range(SIMULATED):
        worker = SimulatedWorker(seconds, generator, process=sigma, pair=pair)
        run = Run(worker, 1, sum(seconds.values()))  # type: ignore[arg-type]
        run_rounds({0: run}, target=0.02, budget_s=8, deadline_s=1, finished=lambda *ended: None, now=worker.clock)
        found.append(stats.within(run.log_ratios()))
    intervals = [stats.moderated([e.centre], [e.se], sigma, MEASURED_DF) for e in found]
    held = float(np.mean([abs(i.centre - truth) <= i.half_width() for i in intervals]))
    bias = float(np.expm1(np.mean([e.centre for e in found]) - truth))
    return [
        Check("known ratio recovered, simulated", abs(bias) < 0.005, f"off by {bias:+.2%} over {SIMULATED} repeats"),
        Check("coverage of the 95 % interval, simulated", held >= 0.93, f"{held:.1%} of {SIMULATED} repeats"),
    ]


def run(results: Path, processes: int = PROCESSES) -> bool:
    """All checks; True if all hold. Raises Failure where a worker fails."""
    where = machine.describe()
    measured = []
    with tempfile.TemporaryDirectory(prefix="twofold-") as temporary:
        folder = save(Workload.of("mlp", {}), Path(temporary) / "workload")
        print(
            f"{processes} fresh processes of {'-'.join(framework())}, each cell twice, and {DELAY:.0%} and "
            f"{SLIGHT_DELAY:.0%} slower"
        )
        for number in range(1, processes + 1):
            measured.append(measure_process(folder, results, number))
            ratio = math.exp(estimates([measured[-1]["once"]], "ratio")[0].centre)
            print(f"  process {number}: ratio {ratio:.3f}", flush=True)
    once = [p["once"] for p in measured]
    sigma = {q: sigma_of(estimates(once, q)) for q in (*QUANTITIES, *PHASES)}
    pair = float(np.median([np.std(stats.log_ratio(p.seconds["backward"], p.seconds["forward"])) for p in once]))
    floor = (
        f"noise floor: one ratio is known to {1.96 * sigma['ratio']:.1%} between processes, one pair to {pair:.1%} "
        f"({processes} processes, {'-'.join(framework())})"
    )
    same, change, width = judge(measured, "again")
    slower, delay, delay_width = judge(measured, "delayed")
    checks = [
        Check("the same cell twice is the same", same is Answer.SAME, f"{same}, {change:+.2%} ± {width:.2%}"),
        Check(
            f"a delay of {DELAY:.0%} is found",
            slower is Answer.SLOWER and abs(delay - DELAY) < max(delay_width, 0.01),
            f"{slower}, {delay:+.2%} ± {delay_width:.2%}",
        ),
        slight_delay_check(measured),
        Check(
            "coverage of the 95 % interval, real",
            (held := coverage(estimates(once, "ratio"))) >= 0.85,
            f"{held:.0%} of {processes} processes",
        ),
        *simulated_checks(sigma["ratio"], pair),
    ]
    calibration = Calibration(
        machine.identity(where), datetime.now(UTC).isoformat(timespec="seconds"), sigma, processes, floor
    )
    store(results, calibration)
    print(*checks, floor, sep="\n")
    return all(check.good for check in checks)


def main() -> int:
    """Exit code 0 if every check holds, 1 if one does not, 2 for a machine that cannot run them."""
    try:
        return int(not run(Path(sys.argv[1] if len(sys.argv) > 1 else "results")))
    except (UserError, Failure) as error:
        print(f"twofold: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
