"""A study's verdicts as text: the claim, a table along its axis, and a sentence for each prediction."""

from __future__ import annotations

from typing import Any

from .verdicts import Judged

_NAMES = {"counted": "by count", "timed": "by the clock"}
_WIDEST = 160  # of a reason


def headline(judged: Judged) -> str:
    return f"Claim: {judged['text']} ({judged['source']})"


def table(judged: Judged) -> tuple[list[str], list[list[str]]]:
    """Columns, and a row for each prediction at each place on the axis, with a cell for each variant."""
    variants = list(dict.fromkeys(f["variant"] for v in judged["verdicts"] for f in v["findings"]))
    rows = []
    for verdict in judged["verdicts"]:
        places: dict[tuple[str, ...], dict[str, str]] = {}
        for finding in verdict["findings"]:
            at = ["" if value is None else str(value) for value in finding["at"].values()]
            cells = places.setdefault((*at, band(finding["band"])), {})
            cell = f"{finding['number']} {finding['answer']}".strip()
            cells[finding["variant"]] = "; ".join(filter(None, [cells.get(finding["variant"]), cell]))
        for place, cells in places.items():
            rows.append([verdict["prediction"], *place, *(cells.get(variant, "") for variant in variants)])
        if len(places) > 1:
            nowhere = [""] * (len(judged["axis"]) + 1)
            rows.append([verdict["prediction"], *nowhere, *(verdict["answers"].get(v, "") for v in variants)])
    return ["prediction", *judged["axis"], "predicted", *variants], rows


def band(ends: list[float | None]) -> str:
    """1.5 to 2.5, or 11 where it is one number."""
    low, high = ("" if end is None else f"{end:.4g}" for end in ends)
    if low == high:
        return low or "any"
    return f"{low} to {high}" if low and high else f"at least {low}" if low else f"at most {high}"


def sentences(judged: Judged) -> list[str]:
    """A line for each prediction: its verdict, what it says, and why."""
    return [
        f"{v['prediction']}, {_NAMES[v['kind']]}: {v['answer'].upper()}. {v['says']} {_short(v['why'])}."
        for v in judged["verdicts"]
    ]


def digest(judged: Judged) -> str:
    """The claim and its verdicts in a line."""
    answers = "; ".join(f"{_NAMES[kind]} {answer.upper()}" for kind, answer in judged["answers"].items())
    return f"{judged['text']} {answers}."


def markdown(judged: Judged) -> str:
    """All of it, for MLflow."""
    columns, rows = table(judged)
    lines = [f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in (columns, *rows)]
    lines.insert(1, f"|{'---|' * len(columns)}")
    return "\n".join([f"**{headline(judged)}**", "", *(f"- {line}" for line in sentences(judged)), "", *lines])


def _short(why: Any) -> str:
    text = str(why).rstrip(".")
    return text if len(text) <= _WIDEST else f"{text[:_WIDEST]}…"
