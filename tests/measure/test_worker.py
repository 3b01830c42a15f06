"""Real worker processes that behave and misbehave: what the parent learns, and what is left of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.base import PHASES
from harness.measure import worker
from harness.measure.protocol import Counted, Failure
from harness.measure.worker import Worker
from harness.paths import ROOT
from harness.workload.cost import phase_work
from harness.workload.workload import load
from tests.helpers.processes import cpu_s, eventually, gone, state
from tests.measure.conftest import Start


def failure_of(act: Callable[[], object]) -> Failure:
    with pytest.raises(Failure) as caught:
        act()
    return caught.value


def assert_over(worker: Worker) -> None:
    """The process is gone and collected, and its pipes are closed."""
    assert worker.process.returncode is not None
    assert state(worker.process.pid) == ""
    assert worker.process.stdin and worker.process.stdin.closed
    assert worker.process.stdout and worker.process.stdout.closed


def assert_one_sentence(reason: str) -> None:
    assert reason and reason == reason.strip()
    assert "\n" not in reason and "Traceback" not in reason
    assert len(reason) < 400


def test_a_program_that_behaves_answers_every_ask(start: Start) -> None:
    worker = start()
    worker.open(60, framework="fake", device="cpu", threads=1, precision="fp32")
    loaded = worker.load(60, start.folder, "sleepy")
    assert loaded.first_call_s.keys() == set(PHASES)
    assert loaded.first_call_s["backward"] >= 0.010
    assert loaded.reference == "oracle (NumPy, float64)"
    assert loaded.described == {"fake": "1.0", "cpus": ",".join(map(str, sorted(os.sched_getaffinity(0))))}
    verified = worker.verify(60)
    assert verified.residual_bytes == 2**20
    assert max(verified.gradient_errors.values()) < 1e-6 and verified.loss_error < 1e-6
    flops = phase_work(load(start.folder)[0].graph)["backward"].flops
    assert worker.count(60)["backward"] == Counted(matmuls=3, flops=flops, seen=None, note="")
    warm = worker.warm(60, 2)
    assert warm.repeat == 1 and warm.cycles >= 4
    measured = worker.measure(60, 3, 2)
    assert all(len(measured.seconds[phase]) == 3 for phase in PHASES)
    worker.close()
    assert_over(worker)


FAULTS_OF_A_PASS = """
import resource
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        bytearray(2**26)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


@pytest.mark.parametrize(("memory", "kept"), [("kept", True), ("returned", False)])
def test_memory_that_is_kept_costs_no_fresh_pages(memory: str, kept: bool) -> None:
    """The ten arrays of 64 MiB are 163,840 pages."""
    asked = [sys.executable, "-c", FAULTS_OF_A_PASS]
    done = subprocess.run(asked, env=os.environ | worker.MALLOC[memory], capture_output=True, text=True, check=True)
    assert (int(done.stdout) < 1000) == kept


# What the program does in its first inference, how that ends, and words that the reason must hold.
FAULTS = [
    ("killed-1", "crashed", "SIGKILL"),
    ("segfaults-1", "crashed", "SIGSEGV"),
    ("exits-1", "crashed", "exit code 7"),
    ("leaves-1", "crashed", "exit code 1"),
    ("rubbish-1", "error", "rubbish"),
    ("endless-1", "error", "longer than"),
    ("memory-1", "oom", "8.00 TiB"),
    ("hungry-1", "oom", "Unable to allocate 1.00 GiB"),
    ("exhausted-1", "oom", "RESOURCE_EXHAUSTED"),
    ("retraces-1", "error", "forward was traced a second time"),
    ("undone-1", "unsupported", "this op has no gradient here"),
    ("unsupported", "unsupported", "the fake framework cannot do this"),
]


@pytest.mark.parametrize(("execution", "outcome", "words"), FAULTS)
def test_a_fault_becomes_an_outcome_with_one_sentence_and_leaves_no_process(
    start: Start, execution: str, outcome: str, words: str
) -> None:
    failure = failure_of(lambda: start.loaded(execution))
    assert failure.outcome == outcome
    assert words in failure.reason
    assert_one_sentence(failure.reason)
    assert_over(start.workers[-1])


@pytest.mark.parametrize("execution", ["hangs-1", "deaf-1"])
def test_no_answer_by_the_deadline_ends_the_process(
    start: Start, execution: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_DYING_S", 1)
    begun = time.monotonic()
    failure = failure_of(lambda: start.loaded(execution, deadline_s=3))
    assert time.monotonic() - begun < 60
    assert failure.outcome in ("timeout", "error")
    assert "'load'" in failure.reason
    assert_one_sentence(failure.reason)
    assert_over(start.workers[-1])


def test_a_timeout_names_the_deadline_and_the_log(start: Start) -> None:
    failure = failure_of(lambda: start.loaded("hangs-1", deadline_s=2))
    assert failure.outcome == "timeout"
    assert "within 2 s" in failure.reason
    assert failure.reason.endswith(os.path.relpath(start.workers[-1].log))


@pytest.mark.parametrize(("execution", "word"), [("nan", "nan"), ("off", "w1")])
def test_a_wrong_gradient_is_invalid_and_named(start: Start, execution: str, word: str) -> None:
    worker = start.loaded(execution)
    failure = failure_of(lambda: worker.verify(60))
    assert failure.outcome == "invalid"
    assert "gradient of w1" in failure.reason and word in failure.reason
    assert_over(worker)


def test_a_framework_without_a_module_is_unsupported(start: Start) -> None:
    failure = failure_of(lambda: start.opened("absent"))
    assert failure.outcome == "unsupported"
    assert "absent is not installed for" in failure.reason


def test_a_program_that_executes_a_multiply_too_few_is_invalid(start: Start) -> None:
    """Its answers are right all the same: nothing but the count tells."""
    worker = start.loaded("shirks")
    worker.verify(60)
    failure = failure_of(lambda: worker.count(60))
    assert failure.outcome == "invalid"
    assert failure.reason.startswith("backward executes 2 multiplies of ")
    assert "expected: 3 multiplies of " in failure.reason
    assert_one_sentence(failure.reason)


def test_a_fault_after_hundreds_of_good_calls_is_caught_too(start: Start) -> None:
    worker = start.loaded("killed-40")
    worker.measure(60, 20, 1)
    failure = failure_of(lambda: worker.measure(60, 20, 1))
    assert (failure.outcome, "'measure'" in failure.reason) == ("crashed", True)


def test_what_a_framework_prints_goes_to_the_log_and_not_into_the_answer(start: Start) -> None:
    worker = start.loaded("prints-1")
    assert worker.count(60)
    assert "noise on stdout\nand on its descriptor\n" in worker.log.read_text()


def test_the_log_holds_the_traceback_that_the_reason_leaves_out(start: Start) -> None:
    failure_of(lambda: start.loaded("exhausted-1"))
    log = start.workers[-1].log.read_text()
    assert "Traceback" in log and "and a page of advice" in log and "--- load: oom" in log


def test_a_worker_that_dies_while_paused_is_reported_at_the_next_ask(start: Start) -> None:
    worker = start.loaded("sleepy")
    os.kill(worker.process.pid, signal.SIGKILL)
    worker.process.wait()
    failure = failure_of(lambda: worker.verify(60))
    assert (failure.outcome, "SIGKILL" in failure.reason) == ("crashed", True)
    assert_over(worker)


def test_closing_twice_or_after_a_fault_is_harmless(start: Start) -> None:
    worker = start.loaded("sleepy")
    worker.close()
    worker.close()
    assert_over(worker)


def test_many_faults_leave_no_open_files_behind(start: Start) -> None:
    def once() -> None:
        failure_of(lambda: start.loaded("exits-1"))

    once()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        once()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_paused_worker_is_stopped_and_uses_no_cpu(start: Start) -> None:
    worker = start.loaded("spins-2")
    worker.verify(60)  # the second inference starts a thread that spins
    pid = worker.process.pid
    eventually(lambda: state(pid) == "T")
    before = cpu_s(pid)
    time.sleep(0.5)
    assert cpu_s(pid) == before
    worker.measure(60, 20, 1)  # half a second
    assert cpu_s(pid) > before


def test_a_worker_runs_on_the_cpus_it_is_given(fake_python: str, tmp_path: Path) -> None:
    cpu = max(os.sched_getaffinity(0))
    with Worker(fake_python, [cpu], tmp_path / "log", {}) as worker:
        assert os.sched_getaffinity(worker.process.pid) == {cpu}


PARENT = """
import json, os, sys, time
from pathlib import Path
from harness.measure.worker import Worker
python, folder, log, asked = sys.argv[1:]
worker = Worker(python, os.sched_getaffinity(0), Path(log), {})
worker.open(60, framework="fake", device="cpu", threads=1, precision="fp32")
print(json.dumps(worker.process.pid), flush=True)
if asked == "busy":
    worker.load(600, Path(folder), "hangs-1")
time.sleep(600)
"""


@pytest.mark.parametrize("asked", ["paused", "busy"])
def test_a_worker_dies_with_its_parent(start: Start, tmp_path: Path, asked: str) -> None:
    command = [sys.executable, "-c", PARENT, start.python, str(start.folder), str(tmp_path / "log"), asked]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as parent:
        assert parent.stdout is not None
        pid = json.loads(parent.stdout.readline())
        eventually(lambda: state(pid) == ("T" if asked == "paused" else "S"))
        parent.kill()
    eventually(lambda: gone(pid))


def test_a_worker_accepts_only_the_process_that_started_it() -> None:
    """It looks for its parent before it reads, and there is no other way in than the pipe it inherits."""
    asked = [sys.executable, "-m", "harness.measure.child", "1"]
    ended = subprocess.run(asked, cwd=ROOT, input=b'{"ask": "count"}\n', capture_output=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, b"")


def test_an_interrupt_from_the_terminal_does_not_reach_a_worker(start: Start) -> None:
    worker = start.loaded("sleepy")
    os.kill(worker.process.pid, signal.SIGINT)
    assert worker.measure(60, 1, 1).wall
    os.kill(worker.process.pid, signal.SIGINT)  # while paused
    assert worker.count(60)
