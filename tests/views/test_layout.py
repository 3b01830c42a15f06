"""A table as lines: what it aligns, what it wraps, and that it fits."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.records.record import Record
from harness.views.layout import Cell, Group, layout
from harness.views.table import Table

NAMES = ["variant", "forward ms", "ratio"]


def shown(groups: list[Group], width: int = 80, names: list[str] = NAMES) -> list[str]:
    return [line.text for line in layout(names, groups, width)]


def row(*texts: Cell | str) -> list[Cell]:
    return [text if isinstance(text, Cell) else Cell(text) for text in texts]


def test_numbers_stand_below_each_other_whatever_their_marks() -> None:
    lines = shown([Group("", [row("torch eager", "1.2", Cell("1.80", "*")), row("jax", "123", "2.05")])])
    assert lines == [
        "variant      forward  ratio",
        "                  ms",
        "torch eager      1.2  1.80*",
        "jax              123  2.05",
    ]


def test_rows_stand_below_the_heading_of_their_group() -> None:
    rows = [row("torch eager", "1.2", "1.80")]
    lines = layout(NAMES, [Group("mlp depth=2", rows), Group("mlp depth=4", rows)], 80)
    assert [line.text for line in lines[2:]] == [
        "mlp depth=2",
        "  torch eager      1.2   1.80",
        "",
        "mlp depth=4",
        "  torch eager      1.2   1.80",
    ]
    assert [line.bold for line in lines] == [True, True, True, False, False, True, False]


def test_columns_move_together_where_a_line_would_not_fit_otherwise() -> None:
    groups = [Group("", [row("torch eager", "1.2", "1.80")])]
    assert max(map(len, shown(groups, 27))) == 27
    assert max(map(len, shown(groups, 26))) == 25
    assert max(map(len, shown(groups, 20))) == 27, "as a hundred characters are allowed"


def test_a_label_that_is_too_long_is_wrapped_and_its_mark_stands_at_its_end() -> None:
    label = "torch eager " + " ".join(f"choice{number}=value" for number in range(8))
    lines = shown([Group("", [row(Cell(label, "†"), "1.2", "1.80")])], 80)
    assert max(map(len, lines)) <= 100
    assert lines[2].endswith("1.80") and lines[-1].endswith("choice7=value†")
    assert " ".join(" ".join(lines[2:]).replace("†", "").split()).count("=value") == 8


def test_no_rows_are_a_heading() -> None:
    assert shown([]) == ["variant  forward  ratio", "              ms"]


FULL = {"gradient_ms": 123.4, "update_ms": 1.234, "residual_mib": 123.4, "ratio_flops": 2.5, "ratio_flops_asked": 2.0}


@pytest.mark.parametrize("width", [80, 100])
def test_the_table_of_a_sweep_fits_a_hundred_columns_with_everything_in_it(
    record: Callable[..., Record], width: int
) -> None:
    long = {"attention": "unfused", "autodiff": "by_hand_recomputed", "residuals": "blocks", "optimizer": "adam"}
    made = [
        record(metrics=FULL, execution="graph", framework="tensorflow"),
        record(metrics=FULL, notes={"backward": "again"}, noise="a neighbour", choices=record().choices | long),
    ]
    made[1].workload = made[1].workload | {"sizes": {"depth": 9}}
    assert max(len(line.text) for line in Table.of(made).lines(width)) <= 100
    assert max(len(line.text) for line in Table.of([*made, *made]).lines(width)) <= 100


def test_a_plain_table_fits_eighty_columns(record: Callable[..., Record]) -> None:
    metrics = {"gradient_ms": 12.34, "residual_mib": 12.34}
    made = [record(metrics=metrics, execution=name, framework="tensorflow") for name in ("eager", "graph")]
    assert max(len(line.text) for line in Table.of(made).lines(80)) <= 80


def test_rows_are_grouped_by_workload_or_stand_alone_with_its_name(record: Callable[..., Record]) -> None:
    made = [record(execution=name) for name in ("a", "a", "b", "b")]
    for number in (1, 2):
        made[number].workload = made[number].workload | {"sizes": {"depth": 9}}
    lines = [line.text.split("  ")[:2] for line in Table.of(made).lines(80)[2:]]
    assert [" ".join(filter(None, line)) for line in lines] == [
        *("mlp batch=32 depth=3 width=64", "torch a", "torch b", ""),
        *("mlp batch=null depth=9 width=null", "torch a", "torch b"),
    ]
    alone = Table.of(made[:2]).lines(80)[2:]
    assert [line.text.partition("  ")[0] for line in alone] == [
        "mlp batch=32 depth=3 width=64 torch a",
        "mlp batch=null depth=9 width=null torch a",
    ]
