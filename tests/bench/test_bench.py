"""The benchmark of the instrument runs: both sides of it time the same network, briefly."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.workload.workload import Workload, save
from tests.bench import spread

SECONDS = 3.0  # beside other tests, one second once gave 0.4 to the well-known timer


@pytest.mark.slow
def test_both_timers_find_a_ratio_of_the_check_workload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "RESULTS", tmp_path / "results")
    folder = save(Workload.of("mlp", {}), tmp_path / "workload")
    ratio, _ = spread.ours(folder, 1, SECONDS)
    assert 0.5 < ratio < 8
    assert 0.5 < spread.well_known(SECONDS) < 8
