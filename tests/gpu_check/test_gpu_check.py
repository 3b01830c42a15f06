"""`make gpu-check` without a GPU: what it looks at, on a fake framework in real processes and a fake driver."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from harness.config import device
from harness.config.expand import job_from
from harness.gpu_check import __main__ as gpu_check
from harness.gpu_check import checks
from harness.job import Job
from harness.measure.protocol import DeviceClock
from harness.paths import ROOT


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that lists one GPU and shows what it does, for this process and those that it starts."""
    monkeypatch.setenv("FAKE_NVML", "[]")
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join(str(ROOT / "tests" / "fakes" / name) for name in ("nvml", "cupti"))
    )
    monkeypatch.setattr(device, "gpus", lambda: ["Fake GPU, 600.00"])


@pytest.fixture
def job(driver: None, fake_python: str, tmp_path: Path) -> Callable[[str, str], Job]:
    """A job on the fake framework and device, in a given precision."""

    def make(precision: str, execution: str) -> Job:
        overrides = [
            *("device=cuda", f"precision={precision}", f"results='{tmp_path}'", "variants=numpy", "variants.numpy=[]"),
            *(f"+frameworks.fake.executions=[{execution}]", f"+frameworks.fake.interpreters.cuda='{fake_python}'"),
            *(f"+variants.fake=[{execution}]", "model.batch=2", "model.depth=2", "model.width=4"),
        ]
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            return job_from(compose("config", overrides=overrides))

    return make


def checked(job: Job, folder: Path) -> list[checks.CheckResult]:
    return checks.check_variant(job, job.variants[0], folder)


def test_an_exact_framework_passes_in_fp32(job: Callable[[str, str], Job], tiny_folder: Path) -> None:
    found = checked(job("fp32", "plain"), tiny_folder)
    assert [finding.good for finding in found] == [True] * 5
    assert {f"{phase}: device time within host time" for phase in ("inference", "forward", "backward", "gradient")} < {
        finding.name for finding in found
    }


def test_tf32_that_is_not_in_force_is_found(job: Callable[[str, str], Job], tiny_folder: Path) -> None:
    found = checked(job("tf32", "plain"), tiny_folder)
    assert not found[0].good
    assert "tf32 multiplies in force" in found[0].name


def test_a_wrong_gradient_fails_the_check(job: Callable[[str, str], Job], tiny_folder: Path) -> None:
    (finding,) = checked(job("fp32", "off"), tiny_folder)
    assert not finding.good
    assert "gradient of w1" in finding.seen


def test_what_a_framework_cannot_do_is_no_failure(job: Callable[[str, str], Job], tiny_folder: Path) -> None:
    (finding,) = checked(job("fp32", "unsupported"), tiny_folder)
    assert finding.good
    assert finding.name == "unsupported"


def test_a_framework_that_is_missing_is_no_failure(job: Callable[[str, str], Job], tiny_folder: Path) -> None:
    there = job("fp32", "plain")
    gone = dataclasses.replace(there.frameworks["fake"], interpreters={"cuda": "/nowhere/python"})
    (finding,) = checked(dataclasses.replace(there, frameworks={"fake": gone}), tiny_folder)
    assert finding.good and "/nowhere/python is not there" in finding.seen


@pytest.mark.slow
def test_a_variant_that_has_no_time_left_is_not_called_wrong(job: Callable[[str, str], Job], tiny_folder: Path) -> None:
    there = job("fp32", "hangs-1")
    (finding,) = checks.check_variant(there, there.variants[0], tiny_folder, end=time.monotonic() + 5)
    assert finding.good and finding.name == "not checked"


@pytest.mark.parametrize(("device_s", "good"), [(1e-5, True), (0.9, True), (1.01, True), (1.2, False)])
def test_the_device_works_no_longer_than_the_host_waits(device_s: float, good: bool) -> None:
    clock = DeviceClock({"forward": 1.0}, {"forward": 1.5}, {"forward": device_s}, {"forward": 7})
    (finding,) = checks.clocks(clock)
    assert finding.good is good
    assert finding.seen.endswith(f"7 kernels in {1e6 * device_s:.0f} µs, 1500000 µs between events")


def test_a_device_whose_time_cannot_be_read_is_no_failure_and_has_its_reason(
    job: Callable[[str, str], Job], tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_CUPTI", "import")
    (_, finding) = checked(job("fp32", "plain"), tiny_folder)
    assert finding.good and "libcupti" in finding.seen


def test_without_a_gpu_it_says_so_and_checks_nothing() -> None:
    ended = subprocess.run([sys.executable, "-m", "harness.gpu_check"], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 2
    assert "no NVIDIA GPU answers here" in ended.stderr
    assert "Traceback" not in ended.stderr


def text_of(archive: tarfile.TarFile, name: str) -> str:
    file = archive.extractfile(name)
    assert file is not None, f"{name} is no file"
    return file.read().decode()


class CheckRun:
    """`check_run(execution, *parts, limit=...)`: exit code, what was printed, and the names in the file of it all."""

    def __init__(self, python: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.python, self.file, self.monkeypatch = python, folder / "out" / "everything.tar.gz", monkeypatch
        self.records: list[dict[str, Any]] = []

    def __call__(
        self,
        capsys: pytest.CaptureFixture[str],
        execution: str,
        *parts: tuple[str, int, str],
        limit: int = 300,
        python: str = "",
    ) -> tuple[int, str, str]:
        self.monkeypatch.setattr(gpu_check, "PARTS", parts)
        overrides = [
            *("variants=numpy", "variants.numpy=[]", "model=mlp", "model.batch=2", "model.depth=2", "model.width=4"),
            *(f"+frameworks.fake.executions=[{execution}]", f"+variants.fake=[{execution}]", "measure.warm_s=0.2"),
            f"+frameworks.fake.interpreters.cuda='{python or self.python}'",
        ]
        code = gpu_check.main(["--limit", str(limit), "--file", str(self.file), *overrides])
        if not self.file.exists():
            return code, capsys.readouterr().err, ""
        with tarfile.open(self.file) as archive:
            names = archive.getnames()
            records = [name for name in names if name.startswith("results/records/quick/main/mlp-")]
            self.records = [json.loads(text_of(archive, name)) for name in records]
            return code, text_of(archive, "log.txt"), " ".join(names)


@pytest.fixture
def check_run(driver: None, fake_python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CheckRun:
    return CheckRun(fake_python, tmp_path, monkeypatch)


QUICK = ("sweep", 200, "study.name=quick model=gpt2 measure.budget_s=0.2")


@pytest.mark.slow
def test_everything_is_in_one_file_and_what_the_user_chose_counts(
    check_run: CheckRun, capsys: pytest.CaptureFixture[str]
) -> None:
    code, log, names = check_run(capsys, "plain", ("check", 100, "precision=fp32"), QUICK)
    assert code == 0, log
    assert "machine: " in log and log.count("ok   mlp fp32 fake-plain: fp32 multiplies in force") == 1
    assert "gpt2" not in log.replace(QUICK[2], "")
    assert "results/records/quick/main/mlp-" in names and "results/logs/gpu_check/main/mlp-" in names
    (record,) = check_run.records
    assert record["phases"]["backward"]["device_ms"] == pytest.approx(2.5) and record["described"]["device_clock"]
    in_nanoseconds = pytest.approx(2.5, rel=1e-5)  # the fake's kernels start and end at whole ones, as CUPTI's
    assert record["metrics"]["ratio_device"] == in_nanoseconds and 0.7 < record["metrics"]["launch_gap"] < 0.8
    assert "host-bound" in log


def test_what_is_worth_less_is_left_out_when_the_time_is_over(
    check_run: CheckRun, capsys: pytest.CaptureFixture[str]
) -> None:
    code, log, names = check_run(capsys, "plain", ("check", 100, "precision=fp32"), QUICK, limit=1)
    assert code == 0
    assert log.count("== skipped, no time left") == 2 and "records" not in names


@pytest.mark.slow
@pytest.mark.parametrize(("gpus", "is_run"), [(["one"], False), (["one", "another"], True)])
def test_replicas_are_measured_where_there_are_two_devices(
    check_run: CheckRun,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    gpus: list[str],
    is_run: bool,
) -> None:
    monkeypatch.setattr(gpu_check, "gpus", lambda: gpus)
    code, log, names = check_run(capsys, "plain", ("sweep", 100, f"{QUICK[2]} choices.replicas=[1]"))
    assert code == 0
    assert ("== skipped, there is one device: sweep" in log) is not is_run
    assert ("results/records/quick/main/mlp-" in names) is is_run


def test_cold_caches_and_replicas_come_before_what_takes_all_the_rest() -> None:
    last = [part for _, _, part in gpu_check.PARTS[-3:]]
    assert "measure.cache=cold" in last[0] and "choices.replicas=[1,2]" in last[1] and last[2] == "study=gpu"


@pytest.mark.slow
def test_a_sweep_that_takes_too_long_is_ended_and_is_no_failure(
    check_run: CheckRun, capsys: pytest.CaptureFixture[str]
) -> None:
    code, log, _ = check_run(capsys, "hangs-1", ("sweep", 22, "study.name=long"))
    assert code == 0
    assert "cut short" in log and "NOT GOOD" not in log


@pytest.mark.slow
def test_a_wrong_answer_is_the_exit_code(check_run: CheckRun, capsys: pytest.CaptureFixture[str]) -> None:
    code, log, _ = check_run(capsys, "off", QUICK)
    assert code == 1 and "NOT GOOD" in log


@pytest.mark.slow
def test_a_part_that_is_refused_is_told_and_stops_no_other(
    check_run: CheckRun, capsys: pytest.CaptureFixture[str]
) -> None:
    code, log, names = check_run(capsys, "plain", ("check", 100, "seed=-1"), QUICK)
    assert code == 1
    assert "== refused: seed=-1: must be at least 0" in log
    assert "results/records/quick/main/mlp-" in names


def test_without_any_framework_it_says_so(check_run: CheckRun, capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = check_run(capsys, "plain", QUICK, python="/nowhere/python")
    assert code == 2
    assert said == "twofold: fake: its interpreter /nowhere/python is not there; run make setup-gpu\n"
