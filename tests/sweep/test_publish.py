"""A finished job's views: what MLflow does not take is said and kept; what is missing is named."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from adapters.base import PHASES
from harness.errors import UserError
from harness.explain.predict import Predicted
from harness.job import Job, Measure, Tracking, Variant
from harness.measure.machine.description import describe
from harness.measure.protocol import Failure, Outcome
from harness.measure.trial import Measured
from harness.records.record import Phase, Record, read
from harness.sweep import publish
from harness.sweep.forecast import USUAL_WARM_S
from harness.sweep.publish import Publisher, publish_summary
from harness.sweep.run import sum_up
from harness.sweep.sweep import Sweep, announce
from harness.views.terminal import Terminal
from harness.workload.workload import Workload
from tests.helpers.jobs import EAGER, JIT, job_of


@pytest.fixture
def job(tiny: Workload, tmp_path: Path) -> Job:
    measure = Measure("test", 1, 0.02, 100.0, 20.0, 60.0)
    return job_of(tiny, tmp_path, variants=(EAGER, JIT), measure=measure)


@pytest.fixture
def screen() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def terminal(screen: io.StringIO) -> Terminal:
    return Terminal(Console(file=screen, highlight=False))


class FlakyTracker:
    """Takes one run; then its server is away."""

    def __init__(self) -> None:
        self.logged: list[Record] = []

    def log(self, record: Record, path: Path, name: str) -> None:
        if self.logged:
            raise ConnectionError("the server is away\nand a page of advice")
        self.logged.append(record)


def ready(tracker: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(tracker)
    return future


def publisher_of(job: Job, terminal: Terminal, tracker: Future[Any]) -> Publisher:
    return Publisher(job, terminal, tracker, describe(), dict.fromkeys(job.variants, ""))


def failed() -> Measured:
    return Measured(failure=Failure(Outcome.UNSUPPORTED, "it cannot"))


def test_an_mlflow_that_goes_away_half_way_is_said_in_one_line_and_the_record_kept(
    job: Job, terminal: Terminal, screen: io.StringIO
) -> None:
    tracker = FlakyTracker()
    publisher = publisher_of(job, terminal, ready(tracker))
    for variant in job.variants:
        publisher.publish(variant, failed(), 10.0)
    kept = {variant: job.folder / f"{job.cell(variant)}.json" for variant in job.variants}
    assert [record.framework for record in tracker.logged] == ["torch"]
    assert [read(path).framework for path in kept.values()] == ["torch", "jax"]
    said = [line for line in screen.getvalue().splitlines() if "MLflow" in line]
    assert said == [f"MLflow did not take this run (the server is away); its record is {kept[JIT]}"]


def test_an_mlflow_that_never_came_is_said_for_each_run(job: Job, terminal: Terminal, screen: io.StringIO) -> None:
    never: Future[Any] = Future()
    never.set_exception(ConnectionError("nobody there"))
    publisher = publisher_of(job, terminal, never)
    for variant in job.variants:
        publisher.publish(variant, failed(), 10.0)
    assert screen.getvalue().count("MLflow did not take this run (nobody there)") == 2
    assert all((job.folder / f"{job.cell(variant)}.json").exists() for variant in job.variants)


def test_the_record_is_written_before_anything_is_shown(
    job: Job, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(terminal, "finished", lambda record, path, left: seen.append(path.exists()))
    publisher_of(job, terminal, ready(None)).publish(EAGER, failed(), 10.0)
    assert seen == [True]


def test_a_prediction_enters_the_record_and_has_an_error_only_where_something_was_measured(
    job: Job, terminal: Terminal
) -> None:
    predicted = {EAGER: Predicted(0.5, 1.0)}
    publisher = Publisher(job, terminal, ready(None), describe(), dict.fromkeys(job.variants, ""), predicted)
    for variant in job.variants:
        publisher.publish(variant, failed(), 10.0)
    with_it, without = (read(job.path(variant)).metrics for variant in job.variants)
    assert {name: value for name, value in with_it.items() if name.startswith("predicted")} == {
        "predicted_ratio": 2.0,
        "predicted_forward_s": 0.5,
        "predicted_backward_s": 1.0,
    }
    assert not any(name.startswith("predicted") for name in without)


def test_time_left_includes_the_jobs_to_come(job: Job, terminal: Terminal, screen: io.StringIO) -> None:
    later = replace(job, workload=Workload.of("mlp", {"batch": 2, "depth": 2, "width": 8}))
    sweep = Sweep.of([job, later])
    announce([sweep], terminal)
    publisher_of(later, terminal, ready(None)).publish(EAGER, failed(), 30.0)
    assert "(30 seconds left)" in screen.getvalue()
    publisher_of(job, terminal, ready(None)).publish(EAGER, failed(), 30.0)
    assert f"({(30 + sweep.forecast.seconds / 2) / 60:.1f} minutes left)" in screen.getvalue()


def test_the_plan_counts_every_variant_and_trial(job: Job) -> None:
    one, two = Sweep.of([job]), Sweep.of([replace(job, measure=replace(job.measure, trials=2))])
    assert one.cells == [job.cell(EAGER), job.cell(JIT)]
    assert one.forecast.seconds > 2 * (100 + USUAL_WARM_S)
    assert two.forecast.seconds == 2 * one.forecast.seconds


@pytest.mark.parametrize("change", [{"study": "other"}, {"sweep": "other"}, {"tracking": Tracking("x")}])
def test_what_names_the_sweep_cannot_be_swept(job: Job, change: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="cannot be swept"):
        Sweep.of([job, replace(job, variants=(JIT,), **change)])


def test_the_same_work_twice_in_a_sweep_is_refused(job: Job) -> None:
    with pytest.raises(UserError, match=f"{job.cell(JIT)} would be measured twice"):
        Sweep.of([job, replace(job, variants=(JIT,))])


def write(job: Job, record: Callable[..., Record], variant: Variant, outcome: str = "ok") -> None:
    made = record(cell=job.cell(variant), framework=variant.framework, execution=variant.execution, outcome=outcome)
    made.write(job.folder)


@pytest.mark.parametrize(
    ("outcome", "code"),
    [("ok", 0), ("unsupported", 0), ("invalid", 1), ("oom", 1), ("timeout", 1), ("crashed", 1), ("error", 1)],
)
def test_the_exit_code_is_0_if_all_is_ok_or_unsupported(
    job: Job, terminal: Terminal, record: Callable[..., Record], outcome: str, code: int
) -> None:
    write(job, record, EAGER)
    write(job, record, JIT, outcome)
    assert sum_up(Sweep.of([job]), terminal).code == code


def test_a_cell_without_a_record_is_named_and_costs_the_exit_code(
    job: Job, terminal: Terminal, screen: io.StringIO, record: Callable[..., Record]
) -> None:
    write(job, record, EAGER)
    assert sum_up(Sweep.of([job]), terminal).code == 1
    assert f"missing: {job.cell(JIT)} was planned and has no record" in screen.getvalue()
    assert "it takes 1.81 times as long, which is below 2" in screen.getvalue()


def test_a_broken_record_counts_as_missing(
    job: Job, terminal: Terminal, screen: io.StringIO, record: Callable[..., Record]
) -> None:
    write(job, record, EAGER)
    (job.folder / f"{job.cell(JIT)}.json").write_text("{")
    assert sum_up(Sweep.of([job]), terminal).code == 1
    assert job.cell(JIT) in screen.getvalue()


def test_a_sweep_without_any_record_still_sums_up(job: Job, terminal: Terminal, screen: io.StringIO) -> None:
    assert sum_up(Sweep.of([job]), terminal).code == 1
    assert "Nothing was measured" in screen.getvalue()


def test_a_summary_that_mlflow_does_not_take_is_said(
    job: Job, terminal: Terminal, screen: io.StringIO, record: Callable[..., Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Away:
        def catch_up(self, folder: Path) -> int:
            return 0

        def summarise(self, records: Any, judged: Any, folder: Path) -> None:
            raise ConnectionError("the server is away")

    monkeypatch.setattr(publish, "connect", lambda job: Away())
    publish_summary(job, None, [record()], [], terminal)
    assert f"MLflow did not take the summary (the server is away); the records are in {job.folder}" in screen.getvalue()


def test_a_sweep_ends_with_the_path_of_its_page(
    job: Job, terminal: Terminal, screen: io.StringIO, record: Callable[..., Record]
) -> None:
    record().write(job.folder)
    publish_summary(replace(job, tracking=Tracking(None)), None, [record()], [], terminal)
    assert f"report: {job.folder / 'report.html'}" in screen.getvalue()
    assert "1.81" in (job.folder / "report.html").read_text()


def test_the_page_at_the_end_of_a_sweep_compares_steps_with_intervals(
    job: Job, terminal: Terminal, record: Callable[..., Record]
) -> None:
    """They are computed from samples, which the table does without."""
    for variant, milliseconds in ((EAGER, 7.0), (JIT, 21.0)):
        seconds = {phase: [milliseconds / 1000 * (1 + i % 2 / 100) for i in range(48)] for phase in PHASES}
        made = record(cell=job.cell(variant), framework=variant.framework, execution=variant.execution)
        made.phases = made.phases | {"gradient": Phase(ms=milliseconds)}
        replace(made, samples=[{"seconds": seconds}]).write(job.folder)
    assert sum_up(Sweep.of([replace(job, tracking=Tracking(None))]), terminal).code == 0
    page = (job.folder / "report.md").read_text()
    assert "relative to the fastest | 95 % interval" in page and "cannot be told apart from it" not in page


def test_a_page_that_cannot_be_written_ends_no_sweep(
    job: Job, terminal: Terminal, screen: io.StringIO, record: Callable[..., Record]
) -> None:
    (job.folder / "report.html").mkdir(parents=True)
    publish_summary(replace(job, tracking=Tracking(None)), None, [record()], [], terminal)
    assert (
        f"the report was not written ([Errno 21] Is a directory: '{job.folder / 'report.html'}')" in screen.getvalue()
    )
