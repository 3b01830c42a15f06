"""What MLflow's pages of a sweep show, and the links to them; `test_mlflow_browser` looks at them."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Run

from harness.records.record import Record
from harness.views.mlflow.client import local_uri
from harness.views.mlflow.pages import Page, studies
from harness.views.mlflow.run import logged_metrics, swept_sizes
from harness.views.mlflow.shared_view import TAG
from harness.views.mlflow.tracker import Tracker

# MLflow's own use of SQLAlchemy.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

Make = Callable[..., Record]
NOTE = "mlflow.note.content"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of results; making its database takes seconds."""
    return tmp_path_factory.mktemp("results")


@pytest.fixture
def tracker(results: Path, request: pytest.FixtureRequest) -> Tracker:
    """A tracker with an experiment of the test's own."""
    return Tracker(local_uri(results), request.node.name, results)


@pytest.fixture
def logged(tracker: Tracker, results: Path) -> Callable[..., Page]:
    """`logged(*records)`: the page of their findings, once their runs and their summary are in MLflow."""

    def log(*records: Record) -> Page:
        folder = results / tracker.experiment / records[0].sweep
        for record in records:
            record.write(folder)
        tracker.catch_up(folder)
        return tracker.summarise(records, folder=folder)

    return log


def tags_of(tracker: Tracker) -> dict[str, str]:
    return dict(tracker.client.get_experiment(tracker.experiment).tags)


def state_of(tracker: Tracker, page: Page) -> dict[str, Any]:
    """The state that MLflow's page reads from the experiment's tag."""
    tag = tags_of(tracker)[f"{TAG}{page.key}"]
    assert len(tag) <= 20_000
    packed = json.loads(tag)["state"].removeprefix("deflate;")
    return dict(json.loads(zlib.decompress(base64.b64decode(packed))))


def shown_runs(tracker: Tracker, page: Page) -> list[Run]:
    """The runs that the page shows, in its order."""
    state = state_of(tracker, page)
    order = f"{state['orderByKey']} {'ASC' if state['orderByAsc'] else 'DESC'}"
    return list(tracker.client.search_runs([tracker.experiment], state["searchFilter"], order_by=[order]))


def test_a_page_begins_with_ratio_step_counted_ratio_and_memory(
    tracker: Tracker, logged: Callable[..., Page], record: Make
) -> None:
    made = record(metrics={"gradient_ms": 3.0, "residual_mib": 4.0, "update_ms": 0.5})
    state = state_of(tracker, logged(made))
    first, *others = state["compareRunSections"]
    assert (first["name"], first["display"]) == ("1.81 times, by FLOPs 1.67", True)
    assert not any(section["display"] for section in others)
    charts = [chart for chart in state["compareRunCharts"] if chart["metricSectionId"] == first["uuid"]]
    names = [chart.get("metricKey") or (chart["xaxis"]["key"], chart["yaxis"]["key"]) for chart in charts]
    step, memory = "answer/gradient_ms", "answer/residual_mib"
    assert names == ["answer/ratio", step, ("ratio_flops", "answer/ratio"), memory, "update_ms"]


def test_every_number_has_one_bar_chart_so_that_mlflow_adds_none(
    tracker: Tracker, logged: Callable[..., Page], record: Make
) -> None:
    made = record(metrics={"gradient_ms": 3.0, "first_gradient_s": 0.1, "gradient_device_ms": 2.0})
    state = state_of(tracker, logged(made))
    bars = [chart["metricKey"] for chart in state["compareRunCharts"] if chart["type"] == "BAR"]
    assert sorted(bars) == sorted(logged_metrics(made))
    sections = {section["uuid"]: section["name"] for section in state["compareRunSections"]}
    titles = {chart.get("metricKey"): sections[chart["metricSectionId"]] for chart in state["compareRunCharts"]}
    wanted = {"width": "Sizes", "first_gradient_s": "In s", "forward_ms": "In ms", "ratio_low": "Counts and shares"}
    assert wanted.items() <= titles.items()


def test_a_ratio_that_cannot_be_told_is_no_answer_and_stands_last(
    tracker: Tracker, logged: Callable[..., Page], record: Make
) -> None:
    wide = record(cell="wide", id="wide", execution="compile", ratio=(0.4, 9.8, 253.0))
    page = logged(wide, record(cell="low", id="low", ratio=(1.1, 1.2, 1.3)), record(cell="high", id="high"))
    assert [run.data.tags["record"] for run in shown_runs(tracker, page)] == ["high", "low", "wide"]
    assert "answer/ratio" not in logged_metrics(wide) and logged_metrics(wide)["ratio"] == 9.8
    assert page.answer == "1.20 to 1.81 times, by FLOPs 1.67"


def test_the_page_of_one_command_shows_no_run_of_another_and_none_that_was_replaced(
    tracker: Tracker, logged: Callable[..., Page], record: Make
) -> None:
    alone = logged(record(cell="a", id="a"))
    assert "tags.sweep = 'main'" in state_of(tracker, alone)["searchFilter"]
    other = logged(record(cell="b", id="b", model="gpt2"))
    assert [run.data.tags["record"] for run in shown_runs(tracker, other)] == ["b"]
    again = logged(record(cell="a", id="later"))
    assert again.key == alone.key
    assert [run.data.tags["record"] for run in shown_runs(tracker, again)] == ["later"]


def test_runs_are_named_after_what_differs_also_when_the_sweep_grows(
    tracker: Tracker, logged: Callable[..., Page], record: Make
) -> None:
    def of_depth(depth: int, **changes: Any) -> Record:
        made = record(cell=f"{depth}{changes}", id=f"{depth}{changes}", **changes)
        made.workload = made.workload | {"sizes": {"depth": depth, "width": 8}}
        return made

    def names(page: Page) -> list[str]:
        return sorted(run.info.run_name for run in shown_runs(tracker, page))

    assert names(logged(of_depth(2))) == ["mlp torch eager"]
    page = logged(of_depth(2), of_depth(4), of_depth(4, execution="compile"))
    assert names(page) == ["mlp depth=2 torch eager", "mlp depth=4 torch compile", "mlp depth=4 torch eager"]


def test_a_swept_size_has_charts_and_sizes_that_differ_between_models_have_none(
    tracker: Tracker, logged: Callable[..., Page], record: Make
) -> None:
    deep, deeper, other = (record(cell=str(n), id=str(n), metrics={"gradient_ms": 1.0}) for n in range(3))
    deep.workload, deeper.workload = ({**deep.workload, "sizes": {"depth": d, "width": 8}} for d in (2, 4))
    other.workload, other.model = {**deep.workload, "sizes": {"depth": 9, "width": 16}}, "gpt2"
    assert swept_sizes([deep, deeper, other]) == ["depth"]
    charts = state_of(tracker, logged(deep, deeper, other))["compareRunCharts"]
    scatters = [(c["xaxis"]["key"], c["yaxis"]["key"]) for c in charts if c["type"] == "SCATTER"]
    assert scatters[1:] == [("depth", "answer/ratio"), ("depth", "answer/gradient_ms")]


def test_the_summary_has_figures_the_findings_and_the_report_if_there_is_one(
    tracker: Tracker, logged: Callable[..., Page], record: Make, results: Path, tmp_path: Path
) -> None:
    high = record(cell="high", ratio=(2.1, 2.2, 2.3))
    page = logged(record(), high, record(cell="failed", outcome="oom", reason="no memory"))
    assert not page.has_report and "report" not in page.links("")
    metrics = tracker.client.get_run(page.run).data.metrics
    assert (metrics["ratio_lowest"], metrics["ratio_highest"]) == (1.8125, 2.2)
    counts = [metrics[f"variants{what}"] for what in ("", "_measured", "_told", "_below_two", "_above_two")]
    assert counts == [3, 2, 2, 1, 1]
    (results / tracker.experiment / "main" / "report.html").write_text("<p>the report")
    page = logged(record(), high)
    assert page.links("http://h:1")["report"].startswith(f"http://h:1/#/experiments/{tracker.experiment}/runs/")
    names = [item.path for item in tracker.client.list_artifacts(page.run)]
    assert sorted(names) == ["findings.md", "report.html"]
    said = Path(tracker.client.download_artifacts(page.run, "findings.md", str(tmp_path))).read_text()
    assert said == tracker.client.get_run(page.run).data.tags[NOTE]


def test_the_experiment_says_the_latest_answer_first_and_links_every_sweep(
    tracker: Tracker, logged: Callable[..., Page], record: Make
) -> None:
    pages = [
        logged(record(sweep=sweep, ratio=ratio, created=f"2026-01-0{day}T00:00:00+00:00"))
        for day, sweep, ratio in ((1, "before", (1.1, 1.2, 1.3)), (2, "after", (2.1, 2.2, 2.3)))
    ]
    said = tags_of(tracker)[NOTE]
    assert said.startswith("**after: backward over forward: 2.20 times, by FLOPs 1.67**\n\nIs the backward pass twice")
    for page in pages:
        assert all(f"[{what}]({link})" in said for what, link in page.links("").items())


def test_a_run_takes_as_long_as_its_variant_was_measured(
    tracker: Tracker, logged: Callable[..., Page], record: Make
) -> None:
    (run,) = shown_runs(tracker, logged(record(metrics={"set_up_s": 1.5, "measuring_s": 4.0})))
    assert run.info.end_time - run.info.start_time == 5500


def test_studies_and_their_sweeps_are_listed_with_the_latest_first(tmp_path: Path, record: Make) -> None:
    uri = local_uri(tmp_path)
    for day, study, sweep in ((1, "default", "before"), (3, "default", "after"), (2, "smoke", "main")):
        made = record(study=study, sweep=sweep, created=f"2026-01-0{day}T00:00:00+00:00")
        tracker = Tracker(uri, study, tmp_path)
        tracker.log(made, made.write(tmp_path / study / sweep))
        tracker.summarise([made])
    listed = [(study.name, [page.title for page in study.pages]) for study in studies(uri)]
    assert listed == [("default", ["after: mlp", "before: mlp"]), ("smoke", ["main: mlp"])]
