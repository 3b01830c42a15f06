"""A simulated cluster that fails and preempts jobs: the same command, again and again, measures every cell once."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.sweep.run import sum_up
from tests.bench.cluster import Simulation, instant


@pytest.mark.slow
def test_every_cell_is_measured_once_whatever_becomes_of_its_jobs(tmp_path: Path) -> None:
    with instant():
        simulation = Simulation(2_400, tmp_path / "results")
        measured: list[str] = []
        for _ in range(10):
            jobs, sweep = simulation.plan()
            outstanding = [
                job.cell(variant) for job, todo in zip(sweep.jobs, sweep.outstanding, strict=True) for variant in todo
            ]
            assert sorted(outstanding + measured) == sorted(sweep.cells)
            if not outstanding:
                break
            queue, lost = simulation.measure(jobs, sweep)
            assert sorted([*queue.written, *lost]) == sorted(outstanding)
            measured += queue.written
    assert simulation.commands > 2, "nothing was lost"
    assert sum_up(sweep, simulation.terminal).code == 0
