"""Whole sweeps, as a user starts them: exit codes, records, MLflow, and what is left after a fault."""

from __future__ import annotations

import os
import signal
import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest

from harness.records.record import read, records
from harness.views.answer import is_conclusive
from tests.helpers.processes import children, eventually, gone, state
from tests.helpers.sweeps import TINY, Sweep

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def test_a_sweep_measures_records_logs_and_answers(sweep: Sweep) -> None:
    # As long as it takes on a busy machine; on an idle one, enough pairs come within seconds.
    code, printed = sweep.run("variants=numpy", *TINY, "measure.budget_s=30", "model.width=4,8")
    assert code == 0, printed
    found = [read(path) for path in records(sweep.results / "records" / "adhoc" / "main")]
    assert sorted(record.workload["sizes"]["width"] for record in found) == [4, 8]
    for record in found:
        assert record.outcome == "ok"
        m = record.metrics
        assert m["ratio_low"] <= m["ratio"] <= m["ratio_high"]
        assert (record.phases["forward"].matmuls, record.phases["backward"].matmuls) == (2, 3)
        assert (f"{m['ratio']:.2f}" if is_conclusive(record) else "cannot tell") in printed
    answer, _, links = printed.rstrip().rpartition("MLflow, while `make ui` runs:\n")
    *_, sentence, page = answer.rstrip().splitlines()
    assert "Is the backward pass twice the forward?" in sentence
    assert page == f"report: {sweep.results / 'records' / 'adhoc' / 'main' / 'report.html'}"
    assert [line.split()[0] for line in links.splitlines()] == ["main:", "charts", "table", "findings", "report"]
    assert "Traceback" not in printed and "missing" not in printed
    logged = {run.data.tags["record"]: run for run in sweep.runs("adhoc", "variant")}
    assert logged.keys() == {record.id for record in found}
    assert all(run.info.status == "FINISHED" for run in logged.values())
    (summary,) = sweep.runs("adhoc", "summary")
    assert "| workload | variant |" in summary.data.tags["mlflow.note.content"]


def test_one_crashing_variant_costs_itself_and_the_exit_code(sweep: Sweep) -> None:
    code, printed = sweep.run("variants=numpy", *TINY, "tracking=off", fake="sleepy,killed-9,unsupported")
    assert sweep.outcomes() == {"by_hand": "ok", "sleepy": "ok", "killed-9": "crashed", "unsupported": "unsupported"}
    assert code == 1
    assert "crashed: the worker was killed by SIGKILL" in printed
    assert "Traceback" not in printed


def test_what_a_framework_cannot_do_is_no_fault(sweep: Sweep) -> None:
    code, _ = sweep.run("variants=numpy", *TINY, "tracking=off", fake="unsupported")
    assert code == 0
    assert sweep.outcomes() == {"by_hand": "ok", "unsupported": "unsupported"}


def workers_of(process: subprocess.Popen[str], count: int) -> list[int]:
    eventually(lambda: len(children(process.pid)) == count, 120)
    return children(process.pid)


def test_a_worker_killed_from_outside_costs_its_variant_only(sweep: Sweep) -> None:
    process = sweep.start("variants=numpy", *TINY, "tracking=off", "measure.target=1e-6", fake="sleepy,deferred")
    workers = workers_of(process, 3)
    eventually(lambda: state(workers[1]) == "T")  # it was asked something, and is paused
    os.kill(workers[1], signal.SIGKILL)
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 1
    assert sorted(sweep.outcomes().values()) == ["crashed", "ok", "ok"], printed
    assert all(gone(pid) for pid in workers)


# Ctrl-C reaches the whole process group: while a variant is prepared, and while variants are measured.
@pytest.mark.parametrize("fake", ["sleepy,hangs-1", "sleepy,hangs-60", "sleepy,deferred"])
def test_an_interrupt_ends_the_sweep_and_its_processes_at_once(sweep: Sweep, fake: str) -> None:
    process = sweep.start(
        "variants=numpy", *TINY, "tracking=off", "measure.budget_s=60", "measure.target=1e-6", fake=fake
    )
    workers = workers_of(process, 3)
    time.sleep(5)
    os.killpg(process.pid, signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert all(gone(pid) for pid in workers)
    assert "Traceback" not in printed
    assert printed.splitlines()[-1].startswith("twofold: interrupted")


class Deaf(socketserver.ThreadingTCPServer):
    """Answers that it is healthy, and nothing else: each other request is cut off."""

    daemon_threads = True

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            if b"/health" in self.rfile.readline():
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK")

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), self.Handler)


@pytest.fixture
def deaf_mlflow() -> Iterator[str]:
    with Deaf() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_an_mlflow_that_stops_answering_loses_nothing(sweep: Sweep, deaf_mlflow: str) -> None:
    code, printed = sweep.run("variants=numpy", *TINY, "tracking=server", f"tracking.uri={deaf_mlflow}")
    assert code == 0, printed
    (record,) = sweep.records().values()
    assert record.outcome == "ok"
    assert "MLflow did not take this run" in printed
    assert f"its record is {sweep.results / 'records' / 'adhoc' / 'main' / record.cell}.json" in printed
    assert "MLflow did not take the summary" in printed
    assert "Traceback" not in printed


def test_a_framework_that_is_missing_stops_no_sweep(sweep: Sweep) -> None:
    code, printed = sweep.run(*TINY, "variants=jax,numpy", "frameworks.jax.interpreters.cpu=/no/python", "tracking=off")
    why = "jax: its interpreter /no/python is not there; set frameworks.jax.interpreters.cpu"
    assert code == 0, printed
    assert printed.startswith(f"{why} (its cells are unsupported")
    outcomes = {record.framework: (record.outcome, record.reason) for record in sweep.records().values()}
    assert outcomes == {"jax": ("unsupported", why), "numpy": ("ok", "")}


def test_every_job_is_checked_before_the_first_starts(sweep: Sweep) -> None:
    code, printed = sweep.run(*TINY, "variants=jax", "frameworks.jax.interpreters.cpu=/no/python")
    assert code == 2
    assert printed == "twofold: jax: its interpreter /no/python is not there; set frameworks.jax.interpreters.cpu\n"
    assert not (sweep.results / "records").exists()


def test_the_smoke_study_runs_every_framework(sweep: Sweep) -> None:
    sweep.results = sweep.results.with_name("results")  # PyTorch's C++ compiler does not take a cache with a space
    code, printed = sweep.run("study=smoke", "device=cpu")
    found = sweep.records("smoke")
    assert {name: record.reason for name, record in found.items() if record.outcome != "ok"} == {}, printed
    assert {record.framework for record in found.values()} == {"torch", "jax", "tensorflow"}
    assert len(found) == 6 and code == 0
    assert len(sweep.runs("smoke", "variant")) == 6
