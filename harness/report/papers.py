"""The page as Markdown, and the records as CSV, for papers and for other programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from ..records.record import Record
from ..views.mlflow.run import metrics_of
from .findings import Findings
from .section import Grid, Section

_IDENTITY = ("study", "sweep", "cell", "created", "model", "framework", "execution", "device", "threads", "outcome")


def csv_of(records: Sequence[Record]) -> str:
    """Write a line for each record: what it is of, and every number under the name that `metrics.py` defines."""
    numbers = [metrics_of(record) for record in records]
    sizes = dict.fromkeys(name for record in records for name in record.workload["sizes"])
    choices = dict.fromkeys(name for record in records for name in record.choices)
    names = dict.fromkeys(name for of_record in numbers for name in of_record)
    settings = ("precision", "gradients", "frozen", "seed")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    head = [*_IDENTITY, "machine", *settings, *(f"model.{name}" for name in sizes)]
    writer.writerow([*head, *(f"choices.{name}" for name in choices), *names, "reason", "noise"])
    for record, of_record in zip(records, numbers, strict=True):
        gpus = record.machine.get("gpus") or []
        machine = gpus[0] if record.device == "cuda" and gpus else record.machine.get("cpu")
        row = [*(getattr(record, name) for name in _IDENTITY), machine]
        row += [record.workload.get(name) for name in settings]
        row += [record.workload["sizes"].get(name) for name in sizes] + [record.choices.get(name) for name in choices]
        writer.writerow([*row, *(of_record.get(name) for name in names), record.reason, record.noise])
    return text.getvalue()


def markdown_of(findings: Findings, sections: Sequence[Section]) -> str:
    """Write every sentence and every table of the page."""
    lines = [f"# {findings.name}", "", findings.table.answer, ""]
    for section in sections:
        lines += [f"## {section.title}", "", *(f"- {said}" for said in section.says), ""]
        for figure in section.figures:
            lines += [f"### {figure.title}", "", *_table(figure.grid), ""]
        lines += [f"- {note}" for note in section.notes] + [""] * bool(section.notes)
    return "\n".join(lines)


def _table(grid: Grid) -> list[str]:
    rows = [" | ".join(cell.replace("|", "/") for cell in row) for row in (grid.columns, *grid.listed)]
    lines = [f"| {row} |" for row in rows]
    rest = ["", f"{grid.left_out} more rows are left out; report.csv has every cell."] if grid.left_out else []
    return [lines[0], f"|{'---|' * len(grid.columns)}", *lines[1:], *rest]
