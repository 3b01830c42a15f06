"""Is the backward pass twice the forward? The ratio of every cell with its interval, and what FLOPs say."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from ..views.plural import plural
from ..views.table import by_flops, interval
from .findings import Findings
from .forest import Row, forest
from .section import MOST_LISTED, MOST_ROWS, Figure, Grid, Section
from .spread import spread
from .style import colour, symbol

_READING = (
    "A mark is the measured ratio, its line the 95 % interval; an upright stroke is the ratio by FLOPs; the dotted "
    "line is 2. A pass whose line does not reach 2 surely takes less, or more, than twice as long."
)
_NOTE = 420  # characters of a note on the page


def section(findings: Findings) -> Section | None:
    """Show the ratios that can be told."""
    conclusive = findings.conclusive
    if not conclusive:
        return None
    figure = _each(findings, conclusive) if len(conclusive) <= MOST_ROWS else _spreads(findings, conclusive)
    notes = [_shortened(str(note)) for note in findings.table.notes]
    return Section("ratio", "Backward over forward", _says(findings, conclusive), [figure], notes)


def _shortened(note: str) -> str:
    """Cut a note that goes through many cells; the terminal has all of it."""
    if len(note) <= _NOTE:
        return note
    return f"{note[:_NOTE].rpartition(';')[0] or note[:_NOTE]}; and so on (make show names all)"


def _says(findings: Findings, conclusive: Sequence[int]) -> list[str]:
    """Say how many lie on which side of 2, and of their own count."""
    metrics = [findings.records[i].metrics for i in conclusive]
    below, above = sum(m["ratio_high"] < 2 for m in metrics), sum(m["ratio_low"] > 2 for m in metrics)
    says = [
        f"Of {plural(len(conclusive), 'ratio')}, {below} {_lie(below)} below 2 and {above} above"
        f"{_rest(len(conclusive) - below - above, '2')}."
    ]
    if counted := [m for m in metrics if "ratio_flops" in m]:
        less = sum(m["ratio_high"] < m["ratio_flops"] for m in counted)
        more = sum(m["ratio_low"] > m["ratio_flops"] for m in counted)
        says.append(
            f"Of {plural(len(counted), 'ratio')} whose FLOPs are counted, {less} {_lie(less)} below what FLOPs say and "
            f"{more} above{_rest(len(counted) - less - more, 'it')}."
        )
    return says


def _rest(count: int, number: str) -> str:
    return f"; {count} cannot be told apart from {number}" if count else ""


def _lie(count: int) -> str:
    return "lies" if count == 1 else "lie"


def _each(findings: Findings, conclusive: Sequence[int]) -> Figure:
    groups = {
        workload: [_row(findings, i) for i in numbers] for workload, numbers in findings.by_workload(conclusive).items()
    }
    plot = forest(groups, "backward / forward, by time", 2.0)
    return Figure("Ratio of every cell", _grid(findings, conclusive), plot, _READING)


def _row(findings: Findings, number: int) -> Row:
    record = findings.records[number]
    m = record.metrics
    hover = f"{findings.full_name(number)}<br>{m['ratio']:.2f} (95 % interval {interval(record)})"
    marks = {column: findings.marks(number, column) for column in ("variant", "ratio")}
    return Row(
        f"{findings.variants[number]}{marks['variant']}",
        m["ratio"],
        m["ratio_low"],
        m["ratio_high"],
        f"{m['ratio']:.2f}{marks['ratio']}",
        colour(record.framework),
        symbol(record),
        hover
        + (f"<br>by FLOPs {by_flops(record)}" if by_flops(record) else "")
        + ("<br>noisy" if record.noise else ""),
        m.get("ratio_flops"),
    )


def _spreads(findings: Findings, conclusive: Sequence[int]) -> Figure:
    by_variant: dict[str, list[float]] = {}
    for i in conclusive:
        by_variant.setdefault(findings.variants[i], []).append(findings.records[i].metrics["ratio"])
    frameworks = {findings.variants[i]: findings.records[i].framework for i in conclusive}
    plot = spread(
        by_variant, {name: colour(frameworks[name]) for name in by_variant}, "backward / forward, by time", 2.0
    )
    reading = (
        f"{plural(len(conclusive), 'cell')} are too many for a row each: a box holds the middle half of a variant's "
        f"cells, its line the median, its whiskers the rest but for outliers. The median of all is "
        f"{statistics.median(r for ratios in by_variant.values() for r in ratios):.2f}."
    )
    return Figure("Ratios of each variant over all workloads", _grid(findings, conclusive), plot, reading)


def _grid(findings: Findings, conclusive: Sequence[int]) -> Grid:
    table = findings.table
    columns = [name for name in table.columns if name != "variant"]
    rows = []
    for i in conclusive[:MOST_LISTED]:
        cells = [f"{cell.text}{cell.marks}" for cell in table.row(i, ["variant", *columns])]
        rows.append([findings.workloads[i], *cells])
    return Grid(["workload", "variant", *columns], rows, len(conclusive))
