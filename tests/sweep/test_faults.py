"""A sweep that is killed, interrupted, out of disk or without its MLflow: nothing is lost, nothing measured twice."""

from __future__ import annotations

import os
import random
import resource
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from mlflow import MlflowClient

from harness.records.record import read, records
from tests.helpers.forked_sweeps import ForkedSweeps
from tests.helpers.mlflow_server import MlflowServer
from tests.helpers.processes import children, eventually, gone
from tests.helpers.sweeps import TINY, Sweep

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

KILLS = 20
BRIEF = ["device=cpu", "variants=numpy", "variants.numpy=[]"]
BRIEF += ["measure.trials=1", "measure.budget_s=0.2", "measure.warm_s=0.05"]


def finished(results: Path) -> dict[str, str]:
    """The number of the measurement of each finished cell. Every record must be whole."""
    return {record.cell: record.id for path in results.glob("records/*/*") for record in map(read, records(path))}


def has_more_records(results: Path, than: int) -> bool:
    return len(list(results.glob("records/*/*/mlp-*"))) > than


def workers_started_by(pid: int) -> list[int]:
    """Running workers of a process, also when it is gone."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode().split("\0")
        except OSError:
            continue
        if "harness.measure.child" in words and str(pid) in words and not gone(int(path.parent.name)):
            found.append(int(path.parent.name))
    return found


def no_workers_left(pid: int) -> bool:
    return not workers_started_by(pid)


@pytest.fixture
def sweeps(fake_python: str, tmp_path: Path) -> Iterator[ForkedSweeps]:
    made = ForkedSweeps(fake_python, tmp_path)
    yield made
    made.end()


def test_a_sweep_killed_at_twenty_random_moments_loses_nothing_and_measures_and_logs_nothing_twice(
    sweeps: ForkedSweeps, tmp_path: Path
) -> None:
    generator, results = random.Random(20), sweeps.results
    known: dict[str, str] = {}
    for number in range(KILLS):
        pid = sweeps.start()
        if number % 2:  # wherever it is by then; else around the end of a job, however slow the machine
            time.sleep(generator.uniform(0, 1))
        else:
            eventually(partial(has_more_records, results, len(known)))
            time.sleep(generator.uniform(0, 0.5))
        os.kill(pid, 9)
        assert sweeps.exit_code() == -9, "it must not have come to its end"
        eventually(partial(no_workers_left, pid), 10)
        now = finished(results)
        assert known.items() <= now.items(), "a finished cell is lost or was measured again"
        known = now
    assert KILLS / 2 <= len(known) < ForkedSweeps.CELLS
    sweeps.start()
    assert sweeps.exit_code() == 0, sweeps.printed()
    now = finished(results)
    assert len(now) == ForkedSweeps.CELLS and known.items() <= now.items()
    client = MlflowClient(f"sqlite:///{results}/mlflow.db")
    every = client.search_runs([client.get_experiment_by_name("study").experiment_id])
    runs = [run for run in every if run.data.tags.get("kind") != "summary"]
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert sorted(run.data.tags["record"] for run in runs) == sorted(now.values())
    assert not list(tmp_path.glob("twofold-*.*")), "arrays of killed sweeps are left"
    assert not list(results.glob("records/*/*/.*")), "halves of records are left"
    assert not list(results.glob(".*")), "halves of databases are left"


def test_after_an_interrupt_the_same_command_goes_on(sweep: Sweep) -> None:
    command = ["model.width=4,8", "tracking=off", *TINY[1:3], *BRIEF]
    process = sweep.start(*command, "measure.target=1e-6", "measure.budget_s=1", fake="a,b")
    eventually(lambda: len(finished(sweep.results)) == 2)
    os.killpg(process.pid, 2)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130, printed
    assert "Traceback" not in printed
    assert printed.splitlines()[-1] == (
        "twofold: interrupted; finished variants are kept, and the same command goes on"
    )
    known = finished(sweep.results)
    code, printed = sweep.run(*command, "measure.target=1e-6", "measure.budget_s=1", fake="a,b")
    now = finished(sweep.results)
    assert code == 0, printed
    assert f"{len(known)} of 4 variants already measured and kept" in printed
    assert len(now) == 4 and known.items() <= now.items()


def test_finished_cells_are_measured_again_only_for_a_reason_that_is_said(sweep: Sweep) -> None:
    command = ["tracking=off", *TINY[1:], *BRIEF]
    code, _ = sweep.run(*command, fake="a,killed-9")
    first = finished(sweep.results)
    assert code == 1 and len(first) == 2
    code, printed = sweep.run(*command, "redo=failed", fake="a,killed-9")
    second = {record.execution: record for record in sweep.records().values()}
    assert code == 1
    assert "1 to measure again, because it was crashed, and redo=failed" in printed
    assert second["a"].id in first.values() and second["a"].remeasured == ""
    assert second["killed-9"].id not in first.values()
    assert second["killed-9"].remeasured == "because it was crashed, and redo=failed"
    code, printed = sweep.run(*command, "measure.budget_s=0.3", fake="a")
    assert (code, "because measure.budget_s was 0.2 and is 0.3" in printed) == (0, True), printed


@pytest.fixture
def mute_mlflow() -> Iterator[str]:
    """Answers that it is healthy, and leaves every other request without an answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        waiting = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                waiting.append(connection)
                if b"/health" in connection.recv(4096):
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK")

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        for connection in waiting:
            connection.close()


def test_a_second_interrupt_does_not_wait_for_anything(sweep: Sweep, mute_mlflow: str) -> None:
    process = sweep.start(*TINY, *BRIEF, "tracking=server", f"tracking.uri={mute_mlflow}", fake="hangs-1,hangs-2")
    eventually(lambda: len(children(process.pid)) == 2)
    workers = children(process.pid)
    os.killpg(process.pid, 2)
    time.sleep(1)
    assert process.poll() is None, "MLflow, which does not answer, is waited for after the first"
    os.killpg(process.pid, 2)
    assert process.wait(2) == 130
    eventually(lambda: all(gone(pid) for pid in workers), 10)


@pytest.mark.parametrize("limit", [20_000, 500], ids=["a record", "anything"])
def test_a_disk_that_is_full_ends_in_one_sentence_and_keeps_what_there_is(sweep: Sweep, limit: int) -> None:
    # On a busy machine, pairs enough for a record above the limit take long; on an idle one it stops before.
    command = ["tracking=off", "variants=numpy", *TINY, "measure.target=1e-6", "measure.budget_s=20"]
    code, printed = sweep.run(*command)
    known = finished(sweep.results)
    assert code == 0 and len(known) == 1, printed

    process = sweep.start(*command, "model.width=4,8")
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, limit))  # long before it writes its first file
    printed, _ = process.communicate(timeout=500)
    assert process.returncode == 2
    assert "Traceback" not in printed
    assert printed.splitlines()[-1].startswith("twofold: ")
    assert printed.splitlines()[-1].endswith(
        "cannot be written (File too large); free some space or choose results=FOLDER"
    )
    assert finished(sweep.results) == known


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MlflowServer]:
    made = MlflowServer(tmp_path)
    made.start()
    yield made
    made.stop()


def test_what_an_mlflow_missed_while_it_was_away_it_gets_from_the_next_run(sweep: Sweep, server: MlflowServer) -> None:
    command = ["tracking=server", f"tracking.uri={server.uri}", *TINY[1:3], *BRIEF, "model.width=4,8,16"]
    process = sweep.start(*command, fake="a,b")
    eventually(lambda: sweep.runs("adhoc", "variant", server.uri))
    server.stop()
    printed, _ = process.communicate(timeout=120)
    known = finished(sweep.results)
    assert process.returncode == 0 and len(known) == 6, printed
    assert "MLflow did not take this run" in printed and "Traceback" not in printed
    server.start()
    assert len(sweep.runs("adhoc", "variant", server.uri)) < 6
    code, printed = sweep.run(*command, fake="a,b")
    assert code == 0, printed
    assert finished(sweep.results) == known
    runs = sweep.runs("adhoc", "variant", server.uri)
    assert sorted(run.data.tags["record"] for run in runs) == sorted(known.values())
    assert {run.info.status for run in runs} == {"FINISHED"}
