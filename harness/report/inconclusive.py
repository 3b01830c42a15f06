"""What cannot be told: ratios without a telling interval, disturbed cells, and variants that were not measured."""

from __future__ import annotations

from ..views.plural import plural
from ..views.table import interval, ratio
from .findings import Findings
from .section import Figure, Grid, Section


def section(findings: Findings) -> Section:
    """List what has no number, and why."""
    records = findings.records
    noisy = [i for i, record in enumerate(records) if record.outcome == "ok" and record.noise]
    figures = []
    if findings.inconclusive:
        rows = [[findings.full_name(i), ratio(records[i]) or "", interval(records[i])] for i in findings.inconclusive]
        figures.append(Figure("Measured, but not told", Grid(["cell", "ratio", "why"], rows), unfolded=True))
    if findings.failed:
        rows = [[findings.full_name(i), records[i].outcome, records[i].reason] for i in findings.failed]
        figures.append(Figure("Not measured", Grid(["cell", "outcome", "reason"], rows), unfolded=True))
    if noisy:
        rows = [[findings.full_name(i), records[i].noise] for i in noisy]
        figures.append(Figure("Disturbed while measured", Grid(["cell", "by what"], rows)))
    says = [
        f"{plural(len(findings.inconclusive), 'measured ratio')} cannot be told: too few pairs, or an interval that "
        "says nothing. measure.budget_s=20, or measure=standard, narrows it."
        if findings.inconclusive
        else "",
        f"{plural(len(findings.failed), 'variant')} could not be measured." if findings.failed else "",
        f"{plural(len(noisy), 'cell')} {'was' if len(noisy) == 1 else 'were'} disturbed by other programs while "
        "measured; redo=noisy measures again."
        if noisy
        else "",
        *(f"Missing: {why}" for why in findings.missing),
    ]
    none = ["Nothing: every variant was measured, undisturbed, and every ratio has an interval that tells something."]
    return Section("untold", "What cannot be told", list(filter(None, says)) or none, figures)
