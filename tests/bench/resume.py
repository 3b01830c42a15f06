"""How long a sweep of 10,000 cells takes to decide what is left to measure: `python -m tests.bench.resume`."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from harness.job import Job
from harness.sweep.sweep import Sweep
from harness.workload.workload import Workload
from tests.helpers.jobs import EAGER, PLAIN, finished, job_of

CELLS = 10_000
MOST_S = 2.0
TINY = {"batch": 2, "depth": 2, "width": 4}


def jobs(results: Path, number: int) -> list[Job]:
    """One cell each."""
    return [job_of(Workload.of("mlp", TINY, seed=seed), results, variants=(EAGER,)) for seed in range(number)]


def finish(planned: list[Job]) -> None:
    """A record for each cell, with as many samples as a sweep leaves."""
    samples = [{"seconds": {phase: [0.001234567] * 160 for phase in ("forward", "backward")}, "wall": [0.1] * 160}]
    first = planned[0]
    path = finished(first, EAGER, replace(PLAIN, samples=samples)).write(first.folder)
    for job in planned[1:]:
        os.link(path, job.path(EAGER))


def decide(planned: list[Job]) -> tuple[Sweep, list[str]]:
    """From composed jobs to the announcement."""
    sweep = Sweep.of(planned)
    return sweep, sweep.announcement()


def seconds(planned: list[Job]) -> float:
    """Of the decision, by the clock."""
    start = time.perf_counter()
    decide(planned)
    return time.perf_counter() - start


def main() -> int:
    """Print the seconds for none and for all finished; 1 if all finished take more than MOST_S."""
    with tempfile.TemporaryDirectory(prefix="twofold-") as temporary:
        fewer, all_new = (seconds(jobs(Path(temporary) / str(n), n)) for n in (CELLS // 4, CELLS))
        finish(done := jobs(Path(temporary) / "done", CELLS))
        resumed = seconds(done)
    print(f"planning {CELLS} cells that were never measured takes {all_new:.2f} s, a quarter of them {fewer:.2f} s")
    print(f"deciding over {CELLS} finished cells takes {resumed:.2f} s (at most {MOST_S} s)")
    return int(resumed > MOST_S)


if __name__ == "__main__":
    sys.exit(main())
