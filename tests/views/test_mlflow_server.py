"""MLflow as a server on PostgreSQL: eight writers at once, the server down and back, a password that nobody sees."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from harness.errors import UserError
from harness.paths import ROOT
from harness.sweep.reachable import check_tracking
from harness.views.mlflow import credentials
from harness.views.mlflow.tracker import Tracker
from tests.helpers.jobs import PLAIN
from tests.helpers.mlflow_server import Door, MlflowServer, free_port
from tests.helpers.postgres import BIN, PASSWORD, USER, postgres
from tests.helpers.processes import eventually
from tests.helpers.sweeps import TINY, Sweep

pytestmark = [
    pytest.mark.external,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.skipif(not (BIN / "postgres").exists(), reason="PostgreSQL is not installed in /usr/lib/postgresql"),
    pytest.mark.skipif(not importlib.util.find_spec("psycopg2"), reason="psycopg2 is not installed"),
]

WRITERS, RECORDS = 8, 5

# Forks the writers once MLflow is imported. Each begins at the same time, and goes on after a run that was not taken,
# as a sweep does. Prints how many were not taken.
_WRITERS = f"""
import os, sys, time
from pathlib import Path
import mlflow.tracking
from harness.records.record import read, records
from harness.views.mlflow.tracker import Tracker

uri, study, folder = sys.argv[1:]
begin = time.time() + 1
children = []
for number in range({WRITERS}):
    child = os.fork()
    if child:
        children.append(child)
        continue
    time.sleep(max(0, begin - time.time()))
    missed = 0
    for path in list(records(Path(folder)))[number::{WRITERS}]:
        try:
            Tracker(uri, study, Path(folder)).log(read(path), path)
        except Exception as error:
            missed += 1
        time.sleep(0.2)
    os._exit(missed)
print(sum(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The address of a real PostgreSQL, with user and password."""
    with postgres() as port:
        yield f"postgresql+psycopg2://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/postgres"


@pytest.fixture(scope="module")
def server(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A real MLflow on it."""
    made = MlflowServer(tmp_path_factory.mktemp("server"), database)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def door(server: MlflowServer) -> Iterator[Door]:
    """The same behind a password."""
    with Door(server, USER, PASSWORD) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The records of a sweep, as many as all writers log."""
    sweep = tmp_path / "main"
    for number in range(WRITERS * RECORDS):
        replace(PLAIN, id=f"id-{number}", cell=f"cell-{number:02}").write(sweep)
    return sweep


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a user who has set none, and after the test whatever it was."""
    for name in (credentials.USERNAME, credentials.PASSWORD, "MLFLOW_TRACKING_URI"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def start_writers(uri: str, study: str, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _WRITERS, uri, study, str(folder)]
    patient = os.environ | {"MLFLOW_HTTP_REQUEST_TIMEOUT": "120"}  # eight at once on a machine with much else to do
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=patient)


def runs_of(uri: str, study: str) -> list[Run]:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(study)
    return list(client.search_runs([experiment.experiment_id], "tags.kind = 'variant'")) if experiment else []


def assert_each_record_has_one_whole_run(uri: str, study: str, folder: Path) -> None:
    runs = runs_of(uri, study)
    wanted = [f"id-{number}" for number in range(WRITERS * RECORDS)]
    assert sorted(run.data.tags["record"] for run in runs) == sorted(wanted)
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert all(run.data.metrics["ratio"] == PLAIN.metrics["ratio"] for run in runs)
    assert len(list(folder.glob("*.json"))) == len(runs)


def test_eight_writers_at_once_lose_no_run_and_log_none_twice(server: MlflowServer, folder: Path) -> None:
    missed, _ = start_writers(server.uri, "writers", folder).communicate(timeout=500)
    assert missed.split() == ["0"]
    assert_each_record_has_one_whole_run(server.uri, "writers", folder)
    assert Tracker(server.uri, "writers", folder).catch_up(folder) == 0


def test_what_eight_writers_could_not_log_while_the_server_was_down_is_logged_once_it_is_back(
    server: MlflowServer, folder: Path
) -> None:
    writers = start_writers(server.uri, "interrupted", folder)
    eventually(lambda: runs_of(server.uri, "interrupted"), 300)
    server.stop()
    time.sleep(0.5)
    server.start()
    missed, _ = writers.communicate(timeout=500)
    assert int(missed) > 0
    assert Tracker(server.uri, "interrupted", folder).catch_up(folder) >= int(missed)
    assert_each_record_has_one_whole_run(server.uri, "interrupted", folder)


def test_texts_of_any_length_are_taken(server: MlflowServer, tmp_path: Path) -> None:
    """PostgreSQL holds them to the lengths that MLflow's tables say; SQLite does not."""
    reason = "\n".join(f"line {number} of what a compiler said" for number in range(1_000))
    failures = [replace(PLAIN, id=f"id-{n}", cell=f"cell-{n}", outcome="error", reason=reason) for n in range(300)]
    tracker = Tracker(server.uri, "long", tmp_path)
    tracker.log(failures[0], failures[0].write(tmp_path / "main"))
    tracker.summarise(failures)
    (run,) = runs_of(server.uri, "long")
    assert run.data.tags["reason"].endswith("\n\nThe rest is too long for MLflow; it stands in cell-0.json.")
    assert reason.startswith(run.data.tags["reason"].rpartition("\n\n")[0])


def test_a_password_reaches_the_server_and_nothing_else(
    door: Door, server: MlflowServer, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"http://{USER}:{quote(PASSWORD, safe='')}@{door.address}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    code, printed = sweep.run("variants=numpy", *TINY, "tracking=server")
    assert code == 0, printed
    assert len(sweep.runs("adhoc", "variant", server.uri)) == len(sweep.runs("adhoc", "summary", server.uri)) == 1
    assert f"http://{door.address}/#/experiments/" in printed
    door.expected = "another password"
    _, refused = sweep.run("variants=numpy", *TINY, "tracking=server", "redo=all")
    assert "refuses the request (401" in refused
    files = [path.read_bytes().decode(errors="ignore") for path in sweep.results.rglob("*") if path.is_file()]
    assert len(files) > 3
    for secret in (PASSWORD, quote(PASSWORD, safe="")):
        assert not [text for text in (printed, refused, *files) if secret in text]


def test_credentials_of_the_environment_are_taken_and_wrong_ones_refused_in_a_sentence(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"http://{door.address}"
    with pytest.raises(UserError, match=r"refuses the request .* set MLFLOW_TRACKING_USERNAME and MLFLOW_T"):
        check_tracking(uri)
    monkeypatch.setenv(credentials.USERNAME, USER)
    monkeypatch.setenv(credentials.PASSWORD, "wrong")
    with pytest.raises(UserError, match="refuses the request") as refused:
        check_tracking(uri)
    assert "wrong" not in str(refused.value)
    monkeypatch.setenv(credentials.PASSWORD, PASSWORD)
    check_tracking(uri)


def test_a_database_is_tried_before_anything_is_measured(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="MLFLOW_TRACKING_URI, and choose tracking=server"):
        check_tracking(database)
    wrong, nowhere = (
        database.replace(quote(PASSWORD, safe=""), "wrong"),
        f"postgresql+psycopg2://u:p@127.0.0.1:{free_port()}/x",
    )
    for uri, why in ((wrong, "password authentication failed"), (nowhere, "Connection refused"), (database, "")):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        if not why:
            check_tracking(uri)
            continue
        with pytest.raises(UserError, match=rf"takes no connection \(.*{why}") as refused:
            check_tracking(uri)
        assert ":p@" not in str(refused.value) and "wrong" not in str(refused.value)
    assert os.environ["MLFLOW_TRACKING_URI"] == database
