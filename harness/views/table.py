"""The findings of a sweep as a table with notes below it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..records.exposed_communication import share_with_interval
from ..records.record import Record
from ..workload.own import NAME as OWN
from ..workload.own import is_of_catalogue
from .answer import TELLS_NOTHING, answer, is_conclusive
from .environments import environments
from .labels import in_common, labels, shared_choices, variant_name, written
from .layout import Cell, Group, Line, layout
from .notes import Note, notes
from .plural import enumerated

_UNTOLD = "cannot tell"
_NAMED = 3  # variants of one failure that are named

_LEGEND = {
    "exposed": "exposed: the share of backward that the reduction of gradients costs, with its 95 % interval",
    "device ratio": "device ratio: backward over forward by the GPU's own time",
    "step ms": "step: loss and all gradients in one call (gradient_ms)",
    "update ms": "update: one step of the optimizer, beside that",
    "kept MiB": "kept: what forward keeps for backward (residual_mib)",
}


def variant(record: Record) -> str:
    """The framework and execution, followed by the choices that depart from the defaults."""
    return variant_name(record.named_variant)


def interval(record: Record) -> str:
    """The 95 % interval of the ratio, or why there is none that tells anything."""
    m = record.metrics
    if record.outcome != "ok":
        return record.outcome
    if "ratio_low" not in m:
        return "too few pairs" if "ratio" in m else ""
    return f"{m['ratio_low']:.2f} to {m['ratio_high']:.2f}" if is_conclusive(record) else _UNTOLD


def ratio(record: Record) -> str:
    """The ratio; empty if its interval tells nothing."""
    return "" if "ratio_low" in record.metrics and not is_conclusive(record) else _metric("ratio", ".2f")(record)


def by_flops(record: Record) -> str:
    """The ratio of the executed FLOPs, followed by that of the requested FLOPs in brackets if it differs."""
    shown = [f"{record.metrics[n]:.2f}" for n in ("ratio_flops", "ratio_flops_asked") if n in record.metrics]
    return f"{shown[0]} ({shown[1]})" if len(set(shown)) == 2 else "".join(shown[:1])


def _matmuls(record: Record) -> str:
    forward, backward = (record.phases[name].matmuls for name in ("forward", "backward"))
    return "" if forward is None or backward is None else f"{forward} / {backward}"


def _metric(name: str, form: str) -> Callable[[Record], str]:
    return lambda record: _number(record.metrics.get(name), form)


def _ms(phase: str) -> Callable[[Record], str]:
    return lambda record: _number(record.phases[phase].ms if phase in record.phases else None, ".3g")


def _number(value: float | None, form: str) -> str:
    """Write a number, without an exponent if it is large."""
    if value is None:
        return ""
    return f"{value:.0f}" if form.endswith("g") and value >= 1000 else format(value, form)


COLUMNS: dict[str, Callable[[Record], str]] = {
    "variant": variant,
    "forward ms": _ms("forward"),
    "backward ms": _ms("backward"),
    "ratio": ratio,
    "95 % interval": interval,
    "exposed": lambda record: share_with_interval(record.metrics),
    "device ratio": _metric("ratio_device", ".2f"),
    "by FLOPs": by_flops,
    "matmuls F / B": _matmuls,
    "step ms": _ms("gradient"),
    "update ms": _ms("update"),
    "kept MiB": _metric("residual_mib", ".3g"),
    "marginal": _metric("ratio_marginal", ".2f"),
    "grad error": _metric("gradient_error", ".1e"),
}
_WHERE_MEASURED = ("exposed", "device ratio", "step ms", "update ms", "kept MiB")  # only if a record has an entry
_MARKDOWN_ONLY = ("marginal", "grad error")  # a terminal is not wide enough


@dataclass(frozen=True)
class Table:
    """The records of a sweep, and of each what its workload and its variant are called, and the notes on them.

    `shared` are choices that all variants have in common, and which their names therefore leave out.
    """

    records: Sequence[Record]
    workloads: Sequence[str]
    variants: Sequence[str]
    notes: Sequence[Note]
    shared: Mapping[str, Any]

    @classmethod
    def of(cls, records: Sequence[Record]) -> Table:
        """Make the table of a sweep: the rows of a workload stand together, in the order of the records."""
        workloads = labels(records)
        first = {label: row for row, label in reversed(list(enumerate(workloads)))}
        order = sorted(range(len(records)), key=lambda row: first[workloads[row]])
        records, workloads = [records[row] for row in order], [workloads[row] for row in order]
        measured = [record.named_variant for record in records]
        shared = shared_choices(measured)
        variants = [variant_name(variant, shared) for variant in measured]
        names = list(map(_joined, workloads, variants))
        return cls(records, workloads, variants, notes(records, names), shared)

    @property
    def names(self) -> list[str]:
        """What each record is called outside its group."""
        return list(map(_joined, self.workloads, self.variants))

    @property
    def columns(self) -> list[str]:
        """The columns that have anything to show."""
        return [name for name in COLUMNS if name not in _WHERE_MEASURED or any(map(COLUMNS[name], self.records))]

    def row(self, number: int, columns: Sequence[str]) -> list[Cell]:
        """The cells of one record; empty where a number could not be had."""
        marks = {name: "".join(n.mark for n in self.notes if n.column == name and number in n.rows) for name in columns}
        texts = {name: COLUMNS[name](self.records[number]) for name in columns} | {"variant": self.variants[number]}
        return [Cell(texts[name], marks[name]) for name in columns]

    def lines(self, width: int) -> list[Line]:
        """The table for a terminal: a heading for each workload, unless none has more than one variant."""
        columns = [name for name in self.columns if name not in _MARKDOWN_ONLY]
        by_workload: dict[str, list[list[Cell]]] = {label: [] for label in self.workloads}
        for number, label in enumerate(self.workloads):
            by_workload[label].append(self.row(number, columns))
        if all(len(rows) == 1 for rows in by_workload.values()):
            named = [
                [Cell(name, row[0].marks), *row[1:]]
                for name, (row,) in zip(self.names, by_workload.values(), strict=True)
            ]
            return layout(columns, [Group("", named)], width)
        return layout(columns, [Group(label, rows) for label, rows in by_workload.items()], width)

    def remarks(self) -> list[str]:
        """The lines below the table: notes, failures, what all rows share, and how to read the columns."""
        errors = [r.metrics["gradient_error"] for r in self.records if "gradient_error" in r.metrics]
        by_themselves = all(
            record.workload["name"] == OWN and not is_of_catalogue(record.workload["sizes"]) for record in self.records
        )
        truth = "with the same program in float64" if by_themselves else "with the float64 oracle"
        agreement = f"gradients agree {truth}, but for a relative error of"
        wide = any(interval(record) == _UNTOLD for record in self.records)
        return [
            *map(str, self.notes),
            *self.failures(),
            *in_common(self.records),
            "all variants: " + ", ".join(written(self.shared)) if self.shared else "",
            *environments(self.records),
            f"{_UNTOLD}: the ends of the interval differ by more than a factor of {TELLS_NOTHING:g}" if wide else "",
            "; ".join(said for name, said in _LEGEND.items() if name in self.columns),
            f"{agreement} {max(errors):.1e}{' at most' if len(errors) > 1 else ''}" if errors else "",
            *dict.fromkeys(record.floor for record in self.records),
        ]

    def failures(self) -> list[str]:
        """Write a line for each reason why variants have no numbers."""
        by_reason: dict[tuple[str, str], list[str]] = {}
        for name, record in zip(self.names, self.records, strict=True):
            if record.reason:
                by_reason.setdefault((record.outcome, record.reason), []).append(name)
        return [
            f"{enumerated(names, _NAMED)} {'is' if len(names) == 1 else 'are'} {outcome}: {reason}"
            for (outcome, reason), names in by_reason.items()
        ]

    @property
    def answer(self) -> str:
        """The sentence that answers the question."""
        return answer(self.records, self.names)


def _joined(workload: str, name: str) -> str:
    return f"{workload} {name}"


def remarks(records: Sequence[Record]) -> list[str]:
    """The lines below the table of a sweep."""
    return [line for line in Table.of(records).remarks() if line]


def markdown(records: Sequence[Record]) -> str:
    """The findings as Markdown, for MLflow: answer, table, remarks."""
    table = Table.of(records)
    columns = table.columns
    rows = [[Cell(label), *table.row(number, columns)] for number, label in enumerate(table.workloads)]
    lines = [f"| {' | '.join(['workload', *columns])} |", f"|{'---|' * (len(columns) + 1)}"]
    lines += [f"| {' | '.join((cell.text + cell.marks).replace('|', '/') for cell in row)} |" for row in rows]
    bullets = ["- " + remark.replace("*", r"\*") for remark in table.remarks() if remark]
    return "\n".join([table.answer, "", *lines, "", *bullets])
