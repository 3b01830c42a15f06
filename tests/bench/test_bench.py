"""The benchmark of the instrument runs: both sides of it time the same network, briefly.

How close they are is for `make bench` to say: beside other tests a ratio of one second means nothing.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.workload.workload import Workload, save
from tests.bench import spread

SECONDS = 1.0


@pytest.mark.slow
def test_both_timers_find_a_ratio_of_the_check_workload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "RESULTS", tmp_path / "results")
    folder = save(Workload.of("mlp", {}), tmp_path / "workload")
    ratio, _ = spread.ours(folder, 1, SECONDS)
    assert ratio > 0 and spread.well_known(SECONDS) > 0
