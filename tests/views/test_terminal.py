"""What the terminal shows, narrow and wide."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from harness.views.table import COLUMNS, answer, row
from harness.views.terminal import Terminal

PATH = Path("a record.json")


@pytest.fixture(params=[80, 200], ids=lambda width: f"width {width}")
def shown(request):
    """Runs an action on a terminal of that width and returns what it printed."""

    def show(act) -> str:
        file = io.StringIO()
        act(Terminal(Console(file=file, width=request.param, highlight=False)))
        return file.getvalue()

    return show


def test_a_finished_variant_is_one_line_with_its_ratio_and_interval(shown, record):
    line = shown(lambda terminal: terminal.finished(record(), PATH, 30))
    assert line.count("\n") == 1
    for word in ("mlp", "torch eager", "1.81", "1.75 to 1.88", "ok", "(30 s left)"):
        assert word in line


def test_a_finished_line_says_that_it_is_noisy(shown, record):
    assert "noisy: a neighbour" in shown(lambda terminal: terminal.finished(record(noise="a neighbour"), PATH, 0))


def test_a_failed_variant_is_one_line_with_its_whole_reason(shown, failed):
    reason = "no [bold]kernel[/nothing] for this shape, " + "really " * 40 + "none"
    line = shown(lambda terminal: terminal.finished(failed("unsupported", reason), PATH, 9))
    assert f"unsupported: {reason}" in line
    assert line.count("\n") == 1


def test_the_table_holds_every_number_in_one_line_and_the_answer(shown, record, failed):
    records = [record(), failed("error", "no [/red] op"), record(ratio=(2.1, 2.2, 2.3), notes={"backward": "fused"})]
    lines = shown(lambda terminal: terminal.table(records)).splitlines()
    header = next(line for line in lines if "forward ms" in line)
    assert all(column in header for column in COLUMNS)
    for measured in (records[0], records[2]):
        assert any(all(cell in line for cell in row(measured)) for line in lines)
    assert "[/red]" in "".join(lines)
    assert "* mlp torch-eager, backward: fused" in lines
    assert lines[-1] == answer(records)


def test_a_table_of_nothing_says_so(shown):
    assert shown(lambda terminal: terminal.table([])).splitlines()[-1] == answer([])
