"""The benchmark of the instrument runs: both sides of it time a network, briefly.

How near the two ratios are is for `make bench` to say, which has the machine to itself: beside other tests, the
well-known timer has given anything from 0.4 to 10.
"""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from harness.records.record import read_head, records
from harness.views.mlflow.tracker import Tracker
from harness.workload.workload import Workload, save
from tests.bench import database, own_model, spread
from tests.helpers.jobs import PLAIN

SECONDS = 1.0


@pytest.mark.slow
def test_both_timers_find_a_ratio_of_the_check_workload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "RESULTS", tmp_path / "results")
    folder = save(Workload.of("mlp", {}), tmp_path / "workload")
    ratio, _ = spread.ours(folder, 1, SECONDS)
    assert 0 < ratio < math.inf
    assert 0 < spread.well_known(SECONDS) < math.inf


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_each_copy_of_a_record_is_a_run_of_its_own_and_is_logged_and_looked_up_in_turn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    catch_up, logged = Tracker.catch_up, list[int]()

    def counted(tracker: Tracker, folder: Path) -> int:
        logged.append(catch_up(tracker, folder))
        return logged[-1]

    with monkeypatch.context() as patch:
        patch.setattr(Tracker, "catch_up", counted)
        database.grow(database.sqlite(tmp_path), PLAIN, [2, 3], tmp_path)
    assert logged == [2, 0, 1, 0], "what is timed as logging logs, and what is timed as looking finds all of it"
    two, three = capsys.readouterr().out.splitlines()
    assert two.startswith("sqlite, 2 runs of one sweep: ") and three.startswith("sqlite, 3 runs of one sweep: ")
    folder = tmp_path / "records" / database.STUDY / PLAIN.sweep
    copies = [read_head(path) for path in records(folder)]
    assert len({copy.id for copy in copies}) == len({str(copy.workload) for copy in copies}) == 3
    assert Tracker(database.sqlite(tmp_path).uri, database.STUDY, tmp_path).catch_up(folder) == 0


@pytest.mark.slow
def test_a_model_of_ones_own_is_timed_beside_a_loop_written_by_hand() -> None:
    rounds, ratios = own_model.ratios(4, 0.0, width=64, layers=1, tokens=8, batch=1)
    assert rounds == 4
    assert all(0 < ratio.centre < math.inf for ratio in ratios.values())
