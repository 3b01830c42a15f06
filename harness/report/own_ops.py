"""Which ops of a user's own model take the time? Each op in place, as the explanations beside the records have them."""

from __future__ import annotations

import json

from ..explain.own import COLUMNS, OwnExplanation
from ..records.record import EXPLAINED, Record
from .findings import Findings
from .section import Figure, Grid, Section


def section(findings: Findings) -> Section | None:
    """Show the explanations that are there, and say of which variants nothing is shown."""
    measured = {i: record for i, record in enumerate(findings.records) if record.outcome == "ok"}
    explained = {i: own for i, record in measured.items() if (own := _read(findings, record))}
    if not explained:
        return None
    says = [f"{findings.full_name(i)}: {text}." for i, own in explained.items() for text in own.says]
    figures = [
        Figure(
            f"{findings.full_name(i)}: each op in place",
            Grid(COLUMNS, [row.cells() for row in own.rows]),
            unfolded=True,
        )
        for i, own in explained.items()
        if own.rows
    ]
    return Section("own_ops", "Which ops take the time?", says, figures)


def _read(findings: Findings, record: Record) -> OwnExplanation | None:
    """Read an explanation; None if there is none, it is not of a user's own model, or it cannot be read."""
    try:
        return OwnExplanation.from_dict(json.loads((findings.folder / f"{record.cell}{EXPLAINED}").read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return None
