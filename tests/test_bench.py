"""The benchmark of the instrument runs: both sides of it time the same network, briefly."""

from __future__ import annotations

import math

import pytest

from harness.workload.workload import Workload, save
from tests.bench import spread

SECONDS = 0.3  # too short for a figure: beside another test the ratio may be anything


@pytest.mark.slow
def test_both_timers_find_a_ratio_of_the_check_workload(tmp_path, monkeypatch):
    monkeypatch.setattr(spread, "RESULTS", tmp_path / "results")
    folder = save(Workload.of("mlp", {}), tmp_path / "workload")
    ratio, _ = spread.ours(folder, 1, SECONDS)
    assert 0 < ratio < math.inf
    assert 0 < spread.well_known(SECONDS) < math.inf
