"""Which finished cells are kept, which are measured again, and how quickly that is decided."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UserError
from harness.job import Device, Job, Variant
from harness.measure.machine.description import describe
from harness.records.metrics import SCHEMA
from harness.records.record import NewerSchema, Record, read
from harness.sweep import interpreters, provenance
from harness.sweep.outstanding import outstanding
from harness.sweep.sweep import Sweep, announce
from harness.views.terminal import Terminal
from harness.workload.workload import Workload
from tests.bench import resume as resume_bench
from tests.helpers import jobs
from tests.helpers.jobs import COMPILE, EAGER, job_of


@pytest.fixture
def job(tiny: Workload, tmp_path: Path) -> Job:
    return job_of(tiny, tmp_path)


@pytest.fixture
def finished(job: Job, record: Callable[..., Record]) -> Callable[..., Path]:
    """`finished(variant, **changes)`: writes the record of a variant as the job leaves it; returns its path."""

    def write(variant: Variant = EAGER, **changes: Any) -> Path:
        known = changes.pop("metrics", None)
        return replace(jobs.finished(job, variant, record(metrics=known)), **changes).write(job.folder)

    return write


def decided(job: Job) -> dict[Variant, str]:
    return outstanding(job, describe())


def test_what_has_no_record_is_measured_and_what_is_finished_is_kept(job: Job, finished: Callable[..., Path]) -> None:
    assert decided(job) == {EAGER: "", COMPILE: ""}
    finished(EAGER)
    assert decided(job) == {COMPILE: ""}
    finished(COMPILE, outcome="unsupported")
    assert decided(job) == {}


@pytest.mark.parametrize(
    ("field", "change", "said"),
    [
        ("measure", {"trials": 3}, "measure.trials was 3 and is 1"),
        ("measure", {"budget_s": 1.0}, "measure.budget_s was 1.0 and is 8.0"),
        ("machine", {"cpu": "Quick 3000"}, "machine.cpu was Quick 3000 and is"),
        ("machine", {"instructions": "avx avx2"}, "machine.instructions was avx avx2 and is"),
        ("machine", {"gpus": ["A GPU"]}, "machine.gpus was ['A GPU'] and is []"),
        ("versions", {"torch": "1.0"}, "torch was 1.0 and is 2."),
        ("versions", {"code": "0123"}, "code was 0123 and is"),
    ],
)
def test_a_change_of_what_a_timing_depends_on_is_named(
    job: Job, finished: Callable[..., Path], field: str, change: dict[str, Any], said: str
) -> None:
    whole = read(finished(EAGER))
    finished(EAGER, **{field: getattr(whole, field) | change})
    assert decided(job)[EAGER].startswith(f"because {said}")


def test_a_change_of_the_environment_is_named_by_its_variable(
    job: Job, finished: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    finished(EAGER)
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert decided(job)[EAGER] == "because TF_ENABLE_ONEDNN_OPTS was not set and is 0"
    finished(EAGER)
    assert EAGER not in decided(job)
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
    assert decided(job)[EAGER] == "because TF_ENABLE_ONEDNN_OPTS was 0 and is 1"
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS")
    assert decided(job)[EAGER] == "because TF_ENABLE_ONEDNN_OPTS was 0 and is not set"
    monkeypatch.setenv("PATH", "/elsewhere")
    finished(EAGER)
    monkeypatch.undo()
    assert EAGER not in decided(job)


def test_a_record_that_knows_no_environment_does_not_stand_for_one(job: Job, finished: Callable[..., Path]) -> None:
    finished(EAGER, environment=None)
    assert decided(job)[EAGER] == "because environment was not known and is known"


def test_other_threads_are_a_change_and_another_name_is_none(job: Job, finished: Callable[..., Path]) -> None:
    finished(EAGER)
    assert EAGER not in decided(replace(job, measure=replace(job.measure, name="renamed")))
    assert decided(replace(job, device=Device("cpu", 1, "kept")))[EAGER] == "because device.threads was 2 and is 1"


@pytest.mark.parametrize("outcome", ["invalid", "oom", "timeout", "crashed", "error"])
def test_a_failed_outcome_stays_unless_failures_are_asked_for(
    job: Job, finished: Callable[..., Path], outcome: str
) -> None:
    finished(EAGER, outcome=outcome)
    finished(COMPILE)
    assert decided(job) == {}
    assert decided(replace(job, redo="failed")) == {EAGER: f"because it was {outcome}, and redo=failed"}


def test_what_was_disturbed_stays_unless_it_is_asked_for(job: Job, finished: Callable[..., Path]) -> None:
    finished(EAGER, noise="trial 1: a neighbour")
    finished(COMPILE)
    for redo in ("none", "failed"):
        assert decided(replace(job, redo=redo)) == {}
    assert decided(replace(job, redo="noisy")) == {EAGER: "because of redo=noisy"}
    finished(EAGER)
    assert decided(replace(job, redo="noisy")) == {}


def test_a_record_is_kept_where_its_framework_is_not_there_any_more(job: Job, finished: Callable[..., Path]) -> None:
    """Whatever has changed, nothing can be measured in its place; what has no record ends as unsupported."""
    finished(EAGER, versions={"torch": "1.0"})
    gone = replace(job.frameworks["torch"], interpreters={"cpu": "/nowhere/python"})
    without = replace(job, redo="all", frameworks=job.frameworks | {"torch": gone})
    assert decided(without) == {COMPILE: ""}
    sweep = Sweep.of([without])
    assert sweep.forecast.seconds == 0 and "never measured" not in sweep.announcement()[-1]


def test_all_is_all(job: Job, finished: Callable[..., Path]) -> None:
    finished(EAGER)
    assert decided(replace(job, redo="all")) == {EAGER: "because of redo=all", COMPILE: ""}


def test_a_truncated_or_spoilt_record_is_measured_again(job: Job, finished: Callable[..., Path]) -> None:
    path = finished(EAGER)
    whole = path.read_bytes()
    for content in (
        b"",
        whole[:-1],
        whole[: len(whole) // 2],
        b"\xff" + whole,
        whole + b"\n{",
        b"[]",
        b'{"schema": 1}',
    ):
        path.write_bytes(content)
        assert decided(job)[EAGER].startswith(f"because its record could not be used ({path}: "), content[:20]


def test_a_record_of_a_newer_program_is_never_replaced(job: Job, finished: Callable[..., Path]) -> None:
    path = finished(EAGER)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": SCHEMA + 1}))
    with pytest.raises(NewerSchema, match=r"newer than this program's.*; update the program"):
        announce([Sweep.of([job])], Terminal())


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A small checkout in the place of this one; `write(path)` spoils a file of it."""
    for path in ("harness/workload/ops/conv.py", "harness/sweep.py", "adapters/common/hlo.py", "adapters/jax.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("pass")
    (tmp_path / "adapters/torch").mkdir()
    (tmp_path / "adapters/torch/ops.py").write_text("pass")
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    provenance.code_digest.cache_clear()
    yield tmp_path
    provenance.code_digest.cache_clear()


@pytest.mark.parametrize(
    ("path", "matters"),
    [
        ("harness/workload/ops/conv.py", True),
        ("adapters/torch/ops.py", True),
        ("adapters/common/hlo.py", True),
        ("adapters/jax.py", False),
        ("harness/sweep.py", False),
    ],
)
def test_the_code_that_counts_is_the_work_and_its_own_adapter(checkout: Path, path: str, matters: bool) -> None:
    frameworks = frozenset(("torch", "jax"))
    before = provenance.code_digest("torch", frameworks)
    (checkout / path).write_text("raise")
    provenance.code_digest.cache_clear()
    assert (provenance.code_digest("torch", frameworks) != before) is matters


def test_a_version_is_known_without_importing_the_framework(tmp_path: Path) -> None:
    (tmp_path / "lib" / "brittle").mkdir(parents=True)
    (tmp_path / "lib" / "brittle" / "__init__.py").write_text("raise SystemExit('imported')")
    (tmp_path / "lib" / "brittle-3.1.dist-info").mkdir()
    (tmp_path / "lib" / "brittle-3.1.dist-info" / "METADATA").write_text("Name: brittle\nVersion: 3.1\n")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path}/lib exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    assert interpreters.framework_version("brittle", str(python)) == "3.1"
    assert interpreters.framework_version("absent", str(python)) is None


def test_the_plan_knows_the_records_of_any_sweep_oldest_first(job: Job, finished: Callable[..., Path]) -> None:
    assert Sweep.of([job]).earlier == {}
    path = finished(EAGER, created="2026-01-02", metrics={"set_up_s": 4.0})
    finished(COMPILE, outcome="crashed", metrics={})
    first = job.results / "records" / "another" / "first" / path.name
    first.parent.mkdir(parents=True)
    first.write_text(json.dumps(json.loads(path.read_text()) | {"created": "2026-01-01"}))
    (known,) = Sweep.of([replace(job, sweep="other")]).earlier.items()
    assert known[0] == job.cell(EAGER)
    assert [record.created for record in known[1]] == ["2026-01-01", "2026-01-02"]


def test_the_announcement_says_what_is_kept_and_why_the_rest_is_not(job: Job, finished: Callable[..., Path]) -> None:
    finished(EAGER)
    finished(COMPILE, outcome="crashed")
    (kept,) = Sweep.of([job]).announcement()
    assert kept.startswith("2 of 2 variants already measured and kept")
    kept, again, left = Sweep.of([replace(job, redo="failed")]).announcement()
    assert kept.startswith("1 of 2 variants")
    assert again == "1 to measure again, because it was crashed, and redo=failed"
    assert left.startswith("1 variant of 1 workload: about ")


def test_the_announcement_counts_what_is_measured_again_for_the_same_reason(
    job: Job, finished: Callable[..., Path]
) -> None:
    finished(EAGER)
    finished(COMPILE)
    (again, left) = Sweep.of([replace(job, redo="all")]).announcement()
    assert again == "2 to measure again, each because of redo=all"
    assert left.startswith("2 variants of 1 workload: about ")


@pytest.mark.slow
def test_deciding_over_ten_thousand_finished_cells_is_linear(tmp_path: Path) -> None:
    """Five times the cells take five times as long; quadratic would be 25. Processor seconds, for neighbours' sake."""
    many = resume_bench.jobs(tmp_path, 10_000)
    resume_bench.finish(many)

    def seconds(some: list[Job]) -> float:
        start = time.process_time()
        plan, (kept,) = resume_bench.decide(some)
        assert kept.startswith(f"{len(some)} of {len(some)} variants already measured")
        assert plan.forecast.seconds == 0
        return time.process_time() - start

    few = seconds(many[:2000])
    assert seconds(many) <= 10 * few


def test_a_sweep_that_goes_on_is_still_refused_where_jobs_differ_in_what_belongs_to_the_sweep(job: Job) -> None:
    with pytest.raises(UserError, match="redo cannot be swept"):
        Sweep.of([job, replace(job, redo="all")])
