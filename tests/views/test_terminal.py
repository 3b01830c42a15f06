"""What the terminal shows, narrow and wide."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from harness.records.record import Record
from harness.views.answer import answer
from harness.views.table import Table
from harness.views.terminal import Terminal

PATH = Path("a record.json")


@pytest.fixture(params=[80, 200], ids=lambda width: f"width {width}")
def shown(request: pytest.FixtureRequest) -> Callable[[Callable[[Terminal], object]], str]:
    """Runs an action on a terminal of that width and returns what it printed."""

    def show(act: Callable[[Terminal], object]) -> str:
        file = io.StringIO()
        act(Terminal(Console(file=file, width=request.param, highlight=False)))
        return file.getvalue()

    return show


def test_a_finished_variant_is_one_line_with_its_ratio_and_interval(
    shown: Callable[[Callable[[Terminal], object]], str], record: Callable[..., Record]
) -> None:
    line = shown(lambda terminal: terminal.finished(record(), PATH, 30))
    assert line.count("\n") == 1
    for word in ("mlp", "torch eager", "1.81", "1.75 to 1.88", "(30 seconds left)"):
        assert word in line


def test_a_finished_line_says_that_it_is_noisy(
    shown: Callable[[Callable[[Terminal], object]], str], record: Callable[..., Record]
) -> None:
    line = shown(lambda terminal: terminal.finished(record(noise="a neighbour"), PATH, 0))
    assert line.endswith("[1.75 to 1.88]  noisy\n")


def test_a_ratio_that_cannot_be_told_is_no_number(
    shown: Callable[[Callable[[Terminal], object]], str], record: Callable[..., Record]
) -> None:
    line = shown(lambda terminal: terminal.finished(record(ratio=(0.38, 9.8, 253.0)), PATH, 0))
    assert line.endswith("ratio cannot tell\n") and "9.8" not in line


def test_lines_have_the_names_that_were_planned_in_columns(
    shown: Callable[[Callable[[Terminal], object]], str], record: Callable[..., Record]
) -> None:
    def act(terminal: Terminal) -> None:
        paths = Path("a.json"), Path("b.json")
        terminal.plan({paths[0]: ("mlp depth=2", "torch eager"), paths[1]: ("mlp depth=16", "jax jit")})
        terminal.starting(paths[:1], "cpu, 1 thread")
        for path in paths:
            terminal.finished(record(), path, 0)

    assert shown(act).splitlines() == [
        "mlp depth=2: 1 variant on cpu, 1 thread",
        "mlp depth=2   torch eager  ratio 1.81 [1.75 to 1.88]",
        "mlp depth=16  jax jit      ratio 1.81 [1.75 to 1.88]",
    ]


def test_a_failed_variant_is_one_line_with_its_whole_reason(
    shown: Callable[[Callable[[Terminal], object]], str], failed: Callable[..., Record]
) -> None:
    reason = "no [bold]kernel[/nothing] for this shape, " + "really " * 40 + "none"
    line = shown(lambda terminal: terminal.finished(failed("unsupported", reason), PATH, 9))
    assert f"unsupported: {reason}" in line
    assert line.count("\n") == 1


def test_the_table_holds_every_number_in_one_line_and_the_answer(
    shown: Callable[[Callable[[Terminal], object]], str], record: Callable[..., Record], failed: Callable[..., Record]
) -> None:
    records = [record(), failed("error", "no [/red] op"), record(ratio=(2.1, 2.2, 2.3), notes={"backward": "fused"})]
    lines = shown(lambda terminal: terminal.table(records)).splitlines()
    for word in ("variant", "forward", "backward", "interval", "FLOPs", "matmuls"):
        assert any(word in line for line in lines[:4]), word
    table = Table.of(records)
    for number in (0, 2):
        cells = [cell.text + cell.marks for cell in table.row(number, table.columns[:7])]
        assert any(all(cell in line for cell in cells) for line in lines)
    assert "[/red]" in "".join(lines)
    assert "* backward: fused" in lines
    assert lines[-1] == table.answer


def test_a_table_of_nothing_says_so(shown: Callable[[Callable[[Terminal], object]], str]) -> None:
    assert shown(lambda terminal: terminal.table([])).splitlines()[-1] == answer([])
