"""Records in MLflow, read back with MLflow's own client."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from harness.claims import text
from harness.claims.verdicts import StudyVerdict
from harness.records.record import Record
from harness.views.mlflow.run import metrics_of
from harness.views.mlflow.tracker import Tracker
from harness.views.table import markdown
from tests.helpers.mlflow_runs import runs, study, tracker

__all__ = ["runs", "study", "tracker"]  # fixtures

# MLflow's own use of SQLAlchemy.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database; making one takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


def test_a_record_becomes_one_finished_run_with_flat_metrics_params_and_tags(
    tracker: Tracker, runs: Callable[..., Any], record: Callable[..., Record], tmp_path: Path
) -> None:
    made = record(noise="a neighbour", environment={"OMP_NUM_THREADS": "1"})
    tracker.log(made, made.write(tmp_path))
    (run,) = runs("variant")
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "mlp torch eager"
    answers = {"answer/ratio": 1.8125, "answer/ratio_flops": 5 / 3}
    assert run.data.metrics == metrics_of(made) | {"batch": 32, "depth": 3, "width": 64} | answers
    assert (run.data.metrics["backward_ms"], run.data.metrics["executed_backward_matmuls"]) == (2.345, 5)
    assert run.data.params == {
        "model": "mlp",
        "batch": "32",
        "depth": "3",
        "width": "64",
        "precision": "fp32",
        "seed": "7",
        "device": "cpu",
        "threads": "2",
        "memory": "kept",
        "framework": "torch",
        "execution": "eager",
        "gradients": "params",
        "residuals": "store",
        "autodiff": "reverse",
        "layout": "native",
        "attention": "native",
        "optimizer": "none",
        "tangent": "False",
        "kernels": "native",
        "fusion": "native",
        "mode": "native",
        "deterministic": "False",
        "replicas": "1",
    }
    wanted = {
        "study": "study",
        "sweep": "main",
        "outcome": "ok",
        "noise": "a neighbour",
        "record": "0123",
        "cell": made.cell,
        "stop": "target",
        "version.torch": "2.13",
        "machine.cpu": "Quick 3000",
        "environment.OMP_NUM_THREADS": "1",
        "mlflow.source.git.commit": "c0ffee",
    }
    assert wanted.items() <= run.data.tags.items()


def test_intervals_that_a_finished_sweep_has_narrowed_are_logged_in_their_runs(
    tracker: Tracker, runs: Callable[..., Any], record: Callable[..., Record], tmp_path: Path
) -> None:
    made = record()
    tracker.log(made, made.write(tmp_path / "main"))
    made.metrics["ratio_low"], made.interval = 1.8, "12 processes"
    made.write(tmp_path / "main")
    assert tracker.catch_up(tmp_path / "main") == 0
    (run,) = runs("variant")
    assert (run.data.metrics["ratio_low"], run.data.metrics["ratio_high"]) == (1.8, 1.875)
    assert run.data.tags["interval"] == "12 processes"


def test_metric_names_are_flat_but_for_the_answers_and_values_finite(
    tracker: Tracker, runs: Callable[..., Any], record: Callable[..., Record], tmp_path: Path
) -> None:
    tracker.log(record(), record().write(tmp_path))
    (run,) = runs("variant")
    assert {name.partition("/")[0] for name in run.data.metrics if "/" in name} == {"answer"}
    assert all(math.isfinite(value) for value in run.data.metrics.values())


def test_the_runs_artifact_is_the_record(
    tracker: Tracker, runs: Callable[..., Any], record: Callable[..., Record], tmp_path: Path, uri: str
) -> None:
    tracker.log(record(), record().write(tmp_path / "records"))
    (run,) = runs("variant")
    client = MlflowClient(uri)
    (artifact,) = client.list_artifacts(run.info.run_id)
    (tmp_path / "copy").mkdir()
    copy = Path(client.download_artifacts(run.info.run_id, artifact.path, str(tmp_path / "copy")))
    assert json.loads(copy.read_text()) == asdict(record())


def test_a_run_lies_at_the_time_of_its_record(
    tracker: Tracker, runs: Callable[..., Any], record: Callable[..., Record], tmp_path: Path
) -> None:
    tracker.log(record(created="2026-01-02T03:04:05.678+00:00"), record().write(tmp_path))
    assert runs("variant")[0].info.start_time == 1767323045678


@pytest.mark.parametrize("outcome", ["invalid", "unsupported", "oom", "timeout", "crashed", "error"])
def test_a_failing_outcome_is_a_failed_run_with_its_reason(
    tracker: Tracker, runs: Callable[..., Any], failed: Callable[..., Record], tmp_path: Path, outcome: str
) -> None:
    made = failed(outcome, "a reason")
    tracker.log(made, made.write(tmp_path))
    (run,) = runs("variant")
    assert run.info.status == "FAILED"
    assert (run.data.tags["outcome"], run.data.tags["reason"]) == (outcome, "a reason")
    assert "ratio" not in run.data.metrics


def test_the_summary_run_shows_the_findings_and_is_replaced_by_the_next(
    tracker: Tracker, runs: Callable[..., Any], record: Callable[..., Record]
) -> None:
    tracker.summarise([record(), record(cell="other")])
    later = [record(cell="other"), record(ratio=(2.1, 2.2, 2.3))]
    tracker.summarise(later)
    (run,) = runs("summary")
    assert run.data.tags["mlflow.note.content"] == markdown(later)
    assert run.info.run_name == "findings of main: mlp"


def test_another_command_of_the_same_sweep_leaves_the_findings_of_the_first(
    tracker: Tracker, runs: Callable[..., Any], record: Callable[..., Record]
) -> None:
    gpt2, mlp = record(model="gpt2", cell="gpt2"), record(cell="mlp")
    for measured in ([gpt2], [mlp], [gpt2, mlp], [mlp]):
        tracker.summarise(measured)
    names = [run.info.run_name for run in runs("summary")]
    assert sorted(names) == [f"findings of main: {models}" for models in ("gpt2", "gpt2 and mlp", "mlp")]


def test_the_summary_of_a_claim_begins_with_its_verdicts(
    tracker: Tracker, runs: Callable[..., Any], record: Callable[..., Record], judged: StudyVerdict
) -> None:
    tracker.summarise([record()], judged)
    (run,) = runs("summary")
    said = run.data.tags["mlflow.note.content"]
    assert said == f"{text.markdown(judged)}\n\n{markdown([record()])}"
    assert (run.data.tags["verdict.counted"], run.data.tags["verdict.timed"]) == ("fails", "cannot tell")


def test_each_sweep_of_a_study_keeps_its_own_summary(
    tracker: Tracker, runs: Callable[..., Any], record: Callable[..., Record]
) -> None:
    for sweep in ("before", "after"):
        tracker.summarise([record(sweep=sweep)])
    assert sorted(run.data.tags["sweep"] for run in runs("summary")) == ["after", "before"]


def test_the_findings_of_a_long_sweep_are_shown_whole(
    tracker: Tracker, runs: Callable[..., Any], record: Callable[..., Record]
) -> None:
    many = [record(execution=f"execution_{i}") for i in range(150)]
    tracker.summarise(many)
    assert runs("summary")[0].data.tags["mlflow.note.content"] == markdown(many)


def test_a_second_tracker_finds_the_experiment_of_the_first(
    tracker: Tracker, runs: Callable[..., Any], record: Callable[..., Record], uri: str, study: str, tmp_path: Path
) -> None:
    tracker.log(record(), record().write(tmp_path))
    Tracker(uri, study, tmp_path).log(record(), record().write(tmp_path))
    assert len(runs("variant")) == 2


def test_a_user_without_a_name_can_still_log(
    tracker: Tracker,
    runs: Callable[..., Any],
    record: Callable[..., Record],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in a container that runs under a number that its user list does not hold."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 54321)
    tracker.log(record(), record().write(tmp_path))
    assert len(runs("variant")) == 1
