"""MLflow's pages of a sweep in a real browser, as `make ui` serves and links them.

The arrangement of a page is no public format of MLflow's: this test says whether the installed version knows it.
"""

from __future__ import annotations

import html
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.paths import ROOT
from harness.records.record import Phase
from harness.views.mlflow.client import local_uri
from harness.views.mlflow.tracker import Tracker
from tests.helpers.browser import CHROMIUM, NO_BROWSER
from tests.helpers.jobs import PLAIN
from tests.helpers.processes import eventually
from tests.helpers.still_page import look

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason=NO_BROWSER),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

# MLflow's own: AG Grid asks it to use newer names; on a busy machine, its layout takes two frames.
EXPECTED = ("AG Grid: since v27.1", "ResizeObserver loop completed with undelivered notifications")
ANSWER = "1.81 to 2.50 times, by FLOPs 1.67"
SENTENCE = "it takes 1.81 to 2.50 times as long: of 2 variants, 1 lies below 2, 1 above"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of three variants, one of which cannot be told."""
    folder = tmp_path_factory.mktemp("results")
    sweep = folder / "records" / "study" / "main"
    spread = {"ratio": {"ratio_low": 2.4, "ratio": 2.5, "ratio_high": 2.6}, "wide": {"ratio_low": 0.4, "ratio": 9.8}}
    made = [
        replace(PLAIN),
        replace(PLAIN, id="2", cell="2", execution="compile", metrics=PLAIN.metrics | spread["ratio"]),
        replace(PLAIN, id="3", cell="3", framework="jax", execution="jit", metrics=PLAIN.metrics | spread["wide"]),
    ]
    for record in made:
        record.phases = record.phases | {"gradient": Phase(ms=3.5)}
        record.write(sweep)
    (sweep / "report.html").write_text("<!doctype html><title>r</title><p>This is the report.")
    tracker = Tracker(local_uri(folder), "study", folder)
    tracker.catch_up(sweep)
    tracker.summarise(made, folder=sweep)
    return folder


@pytest.fixture(scope="module")
def links(results: Path) -> Iterator[dict[str, str]]:
    """The links that `make ui` prints, by what they show, while it serves them."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    printed = results / "printed"
    with printed.open("w") as file:
        command = [sys.executable, "-m", "harness.commands.ui", str(port), str(results)]
        server = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT)
    try:
        eventually(lambda: answers(port), 300)
        lines = [line.split() for line in printed.read_text().splitlines()]
        yield {words[-2] if len(words) > 1 else "plain": words[-1] for words in lines if words[-1].startswith("http")}
    finally:
        server.terminate()
        server.wait(30)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def seen(url: str, profile: Path) -> str:
    """The document of a page; the browser's console must have nothing to say."""
    document, console = look(url, profile)
    assert not [line for line in console if not any(known in line for known in EXPECTED)]
    return html.unescape(document)


def bars_of(document: str) -> list[str]:
    """The numbers that the bars of all charts have, chart by chart."""
    return re.findall(r'class="bartext[^>]*>([^<]*)<', document)


def test_the_page_of_a_sweep_opens_on_its_ratios(links: dict[str, str], tmp_path: Path) -> None:
    document = seen(links["charts"], tmp_path)
    assert "You're viewing a shared view" in document
    assert f"main: backward over forward: {ANSWER}" in document and SENTENCE in document
    assert sorted(bars_of(document)[:2]) == ["1.81", "2.50"], "the untold ratio is left out"
    first_chart = document.index("answer/ratio<")
    assert document.index(f"{ANSWER} (") < first_chart < document.index("answer/gradient_ms<")
    for row in ("mlp torch eager", "mlp torch compile", "mlp jax jit"):
        assert row in document
    assert "Ask a question" not in document, "the assistant's panel is closed"


def test_the_table_of_a_sweep_has_ratio_and_interval_first(links: dict[str, str], tmp_path: Path) -> None:
    document = seen(links["table"], tmp_path)
    assert ANSWER in document and SENTENCE in document
    columns = re.findall(r'role="columnheader"[^>]*aria-colindex="(\d+)" col-id="metrics\.`([^`]*)`"', document)
    assert [name for _, name in sorted(columns, key=lambda column: int(column[0]))][:4] == [
        "answer/ratio",
        "ratio_low",
        "ratio_high",
        "ratio_flops",
    ]
    assert "1.8125" in document


def test_the_findings_are_a_page_of_their_own(links: dict[str, str], tmp_path: Path) -> None:
    document = seen(links["findings"], tmp_path)
    assert SENTENCE in document and "1.75 to 1.88" in document


def test_the_report_is_shown_inside_mlflow(links: dict[str, str], tmp_path: Path) -> None:
    document = seen(links["report"], tmp_path)
    assert "report.html" in document and "<iframe" in document


def test_without_the_arrangement_the_answer_still_comes_first(links: dict[str, str], tmp_path: Path) -> None:
    document = seen(links["plain"], tmp_path)
    assert "You're viewing a shared view" not in document and ANSWER in document
    shown = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", document))
    assert shown.index("answer (3)") < shown.index("Model metrics (")
    assert {"1.81", "2.50"} <= set(bars_of(document))
