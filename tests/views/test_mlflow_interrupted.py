"""Runs that were left half made in MLflow, by a process that was killed or a server that went away."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import paths
from harness.records.record import Record
from harness.views.mlflow.download import download_records
from harness.views.mlflow.tracker import Tracker
from tests.helpers.jobs import PLAIN
from tests.helpers.killed_loggers import LOGGING, MAKING, kill_loggers
from tests.helpers.mlflow_runs import runs, runs_of, study, tracker

__all__ = ["runs", "study", "tracker"]  # fixtures

# MLflow's own use of SQLAlchemy.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A database, and the records of study `killed`: the process that logged one was killed, each at another moment."""
    uri, folder = f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db", tmp_path_factory.mktemp("main")
    moments = (MAKING, *LOGGING)
    for number, _ in enumerate(moments):
        replace(PLAIN, id=f"id-{number}", cell=f"cell-{number}", sweep=folder.name).write(folder)
    kill_loggers(uri, "killed", folder, moments)
    return uri, folder


@pytest.fixture(scope="module")
def uri(killed: tuple[str, Path]) -> str:
    """The database in which those processes were killed."""
    return killed[0]


@pytest.fixture
def log_half(tracker: Tracker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """Logs a record as far as its run is made, as if MLflow went away then."""

    def log(record: Record) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(tracker.client, "log_batch", lambda *_, **__: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                tracker.log(record, tmp_path)

    return log


def is_half(run: Any) -> bool:
    return run.info.status == "RUNNING"


@pytest.mark.slow
def test_runs_whose_process_was_killed_are_made_whole_once(killed: tuple[str, Path], tmp_path: Path) -> None:
    uri, folder = killed
    halves = runs_of(uri, "killed", "variant")
    assert sorted(run.data.tags["record"] for run in halves if is_half(run)) == ["id-1", "id-2", "id-3"]
    for late in (4, 0):
        assert Tracker(uri, "killed", tmp_path).catch_up(folder) == late
        whole = runs_of(uri, "killed", "variant")
        assert {run.info.status for run in whole} == {"FINISHED"}
        assert sorted(run.data.tags["record"] for run in whole) == ["id-0", "id-1", "id-2", "id-3"]
        assert all(run.data.metrics["ratio"] == PLAIN.metrics["ratio"] for run in whole)


def test_half_a_run_is_removed_beside_a_whole_one_and_after_a_later_measurement(
    tracker: Tracker,
    runs: Callable[..., Any],
    record: Callable[..., Record],
    tmp_path: Path,
    log_half: Callable[..., Any],
) -> None:
    made = record(id="now")
    path = made.write(tmp_path / "main")
    log_half(record(id="before", created="2026-01-01T00:00:00+00:00"))
    log_half(made)
    tracker.log(made, path)
    assert tracker.catch_up(path.parent) == 0
    (whole,) = runs("variant")
    assert (whole.info.status, whole.data.tags["record"]) == ("FINISHED", "now")


def test_a_failing_outcome_that_is_logged_is_not_logged_again(
    tracker: Tracker, runs: Callable[..., Any], failed: Callable[..., Record], tmp_path: Path
) -> None:
    made = failed("crashed", "a reason")
    path = made.write(tmp_path / "main")
    tracker.log(made, path)
    (before,) = runs("variant")
    assert tracker.catch_up(path.parent) == 0
    (after,) = runs("variant")
    assert after.info.run_id == before.info.run_id


def test_half_a_run_that_somebody_else_logs_is_left_alone_and_is_no_record_yet(
    tracker: Tracker,
    runs: Callable[..., Any],
    record: Callable[..., Record],
    tmp_path: Path,
    log_half: Callable[..., Any],
    uri: str,
    study: str,
) -> None:
    made = record()
    path = made.write(tmp_path / "main")
    log_half(record(id="later", created="2026-01-03T00:00:00+00:00"))
    log_half(record(id="other", cell="a cell of another sweep of this name"))
    assert tracker.catch_up(path.parent) == 1
    assert sorted(run.data.tags["record"] for run in runs("variant") if is_half(run)) == ["later", "other"]
    (tmp_path / "copies").mkdir()
    (copy,) = download_records(uri, study, tmp_path / "copies")
    assert json.loads(copy.read_text())["id"] == made.id


def test_half_a_database_is_removed_by_the_next_sweep_and_that_of_a_running_process_is_not(
    killed: tuple[str, Path], tmp_path: Path
) -> None:
    uri, folder = killed
    results = Path(uri.removeprefix("sqlite:///")).parent
    (left,) = results.glob(".mlflow-*")
    running = results / f".mlflow-abc.{os.getpid()}"
    running.mkdir()
    paths.remove_leftovers(results, folder)
    assert not left.exists() and running.exists()
    running.rmdir()
