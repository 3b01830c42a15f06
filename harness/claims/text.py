"""A study's verdicts as text: the claim, a table along its axis, and a sentence for each prediction."""

from __future__ import annotations

from collections.abc import Sequence

from .verdicts import StudyVerdict

_NAMES = {"counted": "by count", "timed": "by the clock"}
_WIDEST = 160  # of a reason


def headline(study: StudyVerdict) -> str:
    return f"Claim: {study.text} ({study.source})"


def table(study: StudyVerdict) -> tuple[list[str], list[list[str]]]:
    """Columns, and a row for each prediction at each place on the axis, with a cell for each variant."""
    variants = list(dict.fromkeys(f.variant for v in study.verdicts for f in v.findings))
    rows = []
    for verdict in study.verdicts:
        places: dict[tuple[str, ...], dict[str, str]] = {}
        for finding in verdict.findings:
            at = ["" if value is None else str(value) for value in finding.at.values()]
            cells = places.setdefault((*at, band(finding.band)), {})
            cell = f"{finding.number} {finding.ruling or finding.ignored_because}".strip()
            cells[finding.variant] = "; ".join(filter(None, [cells.get(finding.variant), cell]))
        for place, cells in places.items():
            rows.append([verdict.prediction, *place, *(cells.get(variant, "") for variant in variants)])
        if len(places) > 1:
            nowhere = [""] * (len(study.axis) + 1)
            rows.append([verdict.prediction, *nowhere, *(verdict.rulings.get(v, "") for v in variants)])
    return ["prediction", *study.axis, "predicted", *variants], rows


def band(ends: Sequence[float | None]) -> str:
    """1.5 to 2.5, or 11 where it is one number."""
    low, high = ("" if end is None else f"{end:.4g}" for end in ends)
    if low == high:
        return low or "any"
    return f"{low} to {high}" if low and high else f"at least {low}" if low else f"at most {high}"


def sentences(study: StudyVerdict) -> list[str]:
    """A line for each prediction: its verdict, what it says, and why."""
    return [f"{v.prediction}, {_NAMES[v.kind]}: {v.ruling.upper()}. {v.says} {_short(v.why)}." for v in study.verdicts]


def digest(study: StudyVerdict) -> str:
    """The claim and its verdicts in a line."""
    rulings = "; ".join(f"{_NAMES[kind]} {ruling.upper()}" for kind, ruling in study.rulings.items())
    return f"{study.text} {rulings}."


def markdown(study: StudyVerdict) -> str:
    """All of it, for MLflow."""
    columns, rows = table(study)
    lines = [f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in (columns, *rows)]
    lines.insert(1, f"|{'---|' * len(columns)}")
    return "\n".join([f"**{headline(study)}**", "", *(f"- {line}" for line in sentences(study)), "", *lines])


def _short(why: str) -> str:
    text = why.rstrip(".")
    return text if len(text) <= _WIDEST else f"{text[:_WIDEST]}…"
