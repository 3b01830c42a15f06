"""What a job's variants are judged by: which frameworks are asked, and what happens where they fail."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.job import Measure
from harness.measure.protocol import Failure, Outcome
from harness.records.record import read
from harness.sweep import references
from harness.sweep.references import References, referees
from harness.sweep.run import run_job
from harness.views.terminal import Terminal
from harness.workload.arithmetic import NUMPY, NumPyArithmetic
from harness.workload.workload import Workload, compute_reference, load
from tests.helpers.jobs import EAGER, JIT, job_of


@pytest.mark.parametrize(
    ("frameworks", "installed", "asked"),
    [
        (["torch", "jax"], ["torch", "jax"], ["torch", "jax"]),
        (["jax", "torch", "tensorflow"], ["torch", "jax"], ["torch", "jax"]),
        (["torch"], ["torch", "jax"], ["jax"]),
        (["jax"], ["torch", "jax"], ["torch"]),
        (["tensorflow", "numpy"], ["torch", "jax"], ["torch"]),
        (["tensorflow"], ["jax"], ["jax"]),
        (["torch"], ["torch"], ["torch"]),
        (["torch", "jax"], ["jax"], ["jax"]),
        (["torch"], [], []),
        ([], ["torch", "jax"], []),
    ],
)
def test_each_framework_is_judged_by_another_one_where_there_is_one(
    frameworks: list[str], installed: list[str], asked: list[str]
) -> None:
    assert referees(frameworks, installed) == asked


Save = Callable[..., tuple[list[str], list[str]]]


class Office:
    """Makes workers that compute references in NumPy, or fail; notes whether the arrays were theirs to draw."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bool]] = []
        self.opened: list[dict[str, Any]] = []
        self.fails: dict[str, str] = {}
        self.factor: dict[str, float] = {}  # by which a framework's gradients are off
        self.alive = 0
        self.on_reference: Callable[[], None] = lambda: None

    def worker(self, interpreter: str, cpus: list[int], log: Path, environment: dict[str, str]) -> Any:
        office = self

        class Scripted:
            process = SimpleNamespace(kill=lambda: None)

            def __enter__(self) -> Any:
                office.alive += 1
                assert office.alive == 1  # memory of one at a time
                return self

            def __exit__(self, *_: object) -> None:
                office.alive -= 1

            def open(self, deadline_s: float, **how: Any) -> None:
                self.name = how["framework"]
                office.opened.append(how)

            def reference(self, deadline_s: float, folder: Path, draw: bool) -> None:
                office.asked.append((self.name, draw))
                office.on_reference()
                if self.name in office.fails:
                    if draw:
                        (folder / "arrays").mkdir(exist_ok=True)
                        (folder / "arrays" / "w1.npy").write_text("half")
                    raise Failure(Outcome.OOM, office.fails[self.name])
                compute_reference(folder, self.name, Stated(self.name, office.factor.get(self.name, 1.0)), draw)

        return Scripted()


class Stated(NumPyArithmetic):
    """NumPy under a framework's name, with gradients that are off by a factor."""

    def __init__(self, name: str, factor: float) -> None:
        self.source, self.factor = f"{name} 1.0", factor

    def run(self, both: Any, placed: Any) -> Any:
        loss, gradients = super().run(both, placed)
        return loss, {name: self.factor * gradient for name, gradient in gradients.items()}


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Office:
    made = Office()
    monkeypatch.setattr(references, "Worker", made.worker)
    monkeypatch.setattr(references, "LEAST_FLOPS", {"cpu": 0})
    monkeypatch.setattr(references, "lacking", lambda job, name: "")
    return made


@pytest.fixture
def saved(tiny: Workload, tmp_path: Path) -> Save:
    """What judges torch, jax and TensorFlow in a job of these frameworks, and what was said."""

    def save(*frameworks: str) -> tuple[list[str], list[str]]:
        said: list[str] = []
        made = References(job_of(tiny, tmp_path), frameworks, [0], tmp_path / "workload", said.append)
        folder = made.save()
        made.close()
        return [load(folder, name)[2].source for name in ("torch", "jax", "tensorflow")], said

    return save


def test_torch_and_jax_judge_each_other_and_torch_all_others(office: Office, saved: Save) -> None:
    assert saved("torch", "jax", "tensorflow") == (["jax 1.0", "torch 1.0", "torch 1.0"], [])
    assert office.asked == [("torch", True), ("jax", False)]  # of the same arrays
    how = {"device": "cpu", "threads": 1, "precision": "fp64"}
    assert office.opened == [{"framework": name} | how for name in ("torch", "jax")]
    assert office.alive == 0


def test_small_work_is_judged_by_numpy(office: Office, saved: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "LEAST_FLOPS", {"cpu": 1e6})
    assert saved("torch", "jax") == ([NUMPY.source] * 3, [])
    assert not office.asked


def test_frameworks_are_asked_on_a_gpu_alone() -> None:
    assert references.LEAST_FLOPS["cpu"] == math.inf
    assert references.LEAST_FLOPS["cuda"] < math.inf


@pytest.mark.parametrize(("failing", "left"), [("torch", "jax"), ("jax", "torch")])
def test_where_one_fails_the_other_judges_all(office: Office, saved: Save, failing: str, left: str) -> None:
    office.fails[failing] = "out of memory"
    sources, said = saved("torch", "jax")
    assert sources == [f"{left} 1.0"] * 3
    assert len(said) == 1 and said[0].endswith(f"no reference by {failing}: out of memory")
    assert dict(office.asked)[left]  # arrays that are half written are drawn again


def test_a_framework_judges_itself_only_where_the_other_fails(office: Office, saved: Save) -> None:
    office.fails["jax"] = "out of memory"
    assert saved("torch")[0] == ["torch 1.0"] * 3
    assert office.asked == [("jax", True), ("torch", True)]


def test_where_all_fail_numpy_judges(office: Office, saved: Save) -> None:
    office.fails |= {"torch": "out of memory", "jax": "out of memory"}
    sources, said = saved("torch", "jax")
    assert sources == [NUMPY.source] * 3
    assert len(said) == 2


def test_where_none_is_installed_numpy_judges(office: Office, saved: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "lacking", lambda job, name: f"{name} is not installed")
    assert saved("torch", "jax") == ([NUMPY.source] * 3, [])
    assert not office.asked


@pytest.mark.parametrize(("factor", "agree"), [(1 + 1e-11, True), (1 + 1e-8, False), (math.nan, False)])
def test_where_two_references_differ_numpy_decides(office: Office, saved: Save, factor: float, agree: bool) -> None:
    office.factor["jax"] = factor
    sources, said = saved("torch", "jax")
    assert sources == (["jax 1.0", "torch 1.0", "torch 1.0"] if agree else [NUMPY.source] * 3)
    assert len(said) == (not agree)
    assert agree or ("jax 1.0 differ" in said[0] and said[0].endswith("NumPy decides"))


@pytest.mark.parametrize("factor", [1.0, 1 + 1e-8])
def test_references_of_an_op_alone_are_compared_in_its_outputs(office: Office, tmp_path: Path, factor: float) -> None:
    said: list[str] = []
    op = Workload.of("op", {"op": "linear", "batch": 2, "tokens": 2, "width": 4})
    office.factor["jax"] = factor
    made = References(job_of(op, tmp_path), ["torch", "jax"], [0], tmp_path / "workload", said.append)
    expected = load(made.save(), "torch")[2]
    made.close()
    assert expected.source == ("jax 1.0" if factor == 1 else NUMPY.source)
    assert expected.outputs and len(said) == (factor != 1)


def test_what_is_given_up_is_not_computed_by_others_nor_complained_of(
    office: Office, tiny: Workload, tmp_path: Path
) -> None:
    said: list[str] = []
    made = References(job_of(tiny, tmp_path), ["torch", "jax"], [0], tmp_path / "workload", said.append)
    office.fails["torch"] = "the worker was killed"
    office.on_reference = made.close
    made.save()
    assert office.asked == [("torch", True)]
    assert not said
    assert not (tmp_path / "workload" / "references" / "oracle").exists()


@pytest.mark.slow
def test_the_record_says_what_judged_its_variant(
    tiny: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With real frameworks in real processes."""
    monkeypatch.setattr(references, "LEAST_FLOPS", {"cpu": 0})
    measure = Measure("brief", 1, 0.5, 0.5, 0.5, 300.0)
    job = job_of(tiny, tmp_path, variants=(EAGER, JIT), measure=measure)
    run_job(job, Terminal())
    records = {variant: read(job.path(variant)) for variant in (EAGER, JIT)}
    assert {record.outcome for record in records.values()} == {"ok"}
    assert records[EAGER].reference.startswith("jax ") and records[EAGER].reference.endswith(", float64, by hand")
    assert records[JIT].reference.startswith("torch ") and records[JIT].reference.endswith(", float64, by hand")
