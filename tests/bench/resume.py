"""How long a sweep of 10,000 cells takes to decide what is left to measure: `python -m tests.bench.resume`."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path

from harness import config
from harness.config import Settings, Variant
from harness.measure import machine
from harness.plan import Plan
from harness.resume import versions
from harness.workload.workload import Workload
from tests.findings.conftest import PLAIN

CELLS = 10_000
MOST_S = 2.0
VARIANT = Variant("torch", "eager")


def jobs(results: Path, number: int) -> list[Settings]:
    """One cell each."""
    return [
        Settings(
            study="study",
            sweep="main",
            workload=Workload.of("mlp", {"batch": 2, "depth": 2, "width": 4}, seed=seed),
            device=config.Device("cpu", 2, "kept"),
            variants=(VARIANT,),
            measure=config.Measure("quick", 1, 0.02, 8.0, 5.0, 600.0),
            tracking=config.Tracking(None),
            frameworks={"torch": config.Framework(("eager",), {})},
            results=results,
        )
        for seed in range(number)
    ]


def finish(planned: list[Settings]) -> None:
    """A record for each cell, with as many samples as a sweep leaves."""
    first = planned[0]
    samples = [{"seconds": {phase: [0.001234567] * 160 for phase in ("forward", "backward")}, "wall": [0.1] * 160}]
    record = replace(
        PLAIN,
        cell=first.cell(VARIANT),
        measure=asdict(first.measure),
        machine=machine.describe(),
        versions=versions(first, VARIANT),
        samples=samples,
    )
    path = record.write(first.folder)
    for job in planned[1:]:
        os.link(path, job.folder / f"{job.cell(VARIANT)}.json")


def decide(planned: list[Settings]) -> float:
    """Seconds from the composed jobs to the announcement."""
    start = time.perf_counter()
    plan = Plan.of(planned)
    plan.begin()
    plan.announcement()
    return time.perf_counter() - start


def main() -> int:
    """Print the seconds for none and for all finished; 1 if all finished take more than MOST_S."""
    with tempfile.TemporaryDirectory(prefix="twofold-") as temporary:
        fewer, all_new = (decide(jobs(Path(temporary) / str(n), n)) for n in (CELLS // 4, CELLS))
        finish(done := jobs(Path(temporary) / "done", CELLS))
        resumed = decide(done)
    print(f"planning {CELLS} cells that were never measured takes {all_new:.2f} s, a quarter of them {fewer:.2f} s")
    print(f"deciding over {CELLS} finished cells takes {resumed:.2f} s (at most {MOST_S} s)")
    return int(resumed > MOST_S)


if __name__ == "__main__":
    sys.exit(main())
