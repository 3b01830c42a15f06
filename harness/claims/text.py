"""Writes a study's verdicts as text: the claim, a table along its axis, and a sentence for each prediction."""

from __future__ import annotations

from collections.abc import Sequence

from .verdicts import StudyVerdict

_NAMES = {"counted": "by count", "timed": "by the clock"}
_WIDEST = 160  # characters of a reason


def headline(study: StudyVerdict) -> str:
    """Write the claim with its source."""
    return f"Claim: {study.text} ({study.source})"


def table(study: StudyVerdict) -> tuple[list[str], list[list[str]]]:
    """Tabulate the findings.

    Returns the names of the columns, and the rows: one for each prediction at each place on the claim's axis, with an
    entry for each variant, and one with the rulings if a prediction has several places.
    """
    variants = list(dict.fromkeys(finding.variant for verdict in study.verdicts for finding in verdict.findings))
    rows = []
    for verdict in study.verdicts:
        places: dict[tuple[str, ...], dict[str, str]] = {}
        for finding in verdict.findings:
            at = ["" if value is None else str(value) for value in finding.at.values()]
            entries = places.setdefault((*at, band(finding.band)), {})
            entry = f"{finding.number} {finding.ruling or finding.ignored_because}".strip()
            entries[finding.variant] = "; ".join(filter(None, [entries.get(finding.variant), entry]))
        for place, entries in places.items():
            rows.append([verdict.prediction, *place, *(entries.get(variant, "") for variant in variants)])
        if len(places) > 1:
            no_place = [""] * (len(study.axis) + 1)
            rows.append([verdict.prediction, *no_place, *(verdict.rulings.get(variant, "") for variant in variants)])
    return ["prediction", *study.axis, "predicted", *variants], rows


def band(ends: Sequence[float | None]) -> str:
    """Write a band: 1.5 to 2.5, at least 1.5, or 11 if both ends are the same."""
    low, high = ("" if end is None else f"{end:.4g}" for end in ends)
    if low == high:
        return low or "any"
    return f"{low} to {high}" if low and high else f"at least {low}" if low else f"at most {high}"


def sentences(study: StudyVerdict) -> list[str]:
    """Write a line for each prediction: its ruling, what it says, and the reason for the ruling."""
    return [f"{v.prediction}, {_NAMES[v.kind]}: {v.ruling.upper()}. {v.says} {_short(v.why)}." for v in study.verdicts]


def one_line(study: StudyVerdict) -> str:
    """Write the claim and the rulings on it in a line."""
    rulings = "; ".join(f"{_NAMES[kind]} {ruling.upper()}" for kind, ruling in study.rulings.items())
    return f"{study.text} {rulings}."


def markdown(study: StudyVerdict) -> str:
    """Write headline, sentences and table as Markdown, for MLflow."""
    columns, rows = table(study)
    lines = [f"| {' | '.join(entry.replace('|', '/') for entry in row)} |" for row in (columns, *rows)]
    lines.insert(1, f"|{'---|' * len(columns)}")
    return "\n".join([f"**{headline(study)}**", "", *(f"- {line}" for line in sentences(study)), "", *lines])


def _short(why: str) -> str:
    """Shorten a reason that is too long for a line."""
    text = why.rstrip(".")
    return text if len(text) <= _WIDEST else f"{text[:_WIDEST]}…"
