"""Is it normal? The ratios of the sweep among those that others published."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..published.place import place, sentences
from ..published.read import Published, family_of, published
from .findings import Findings
from .section import Figure, Grid, Section
from .style import NEUTRAL, colour, layout, logarithmic, symbol

_ROW = 44  # pixels
_SPREAD = 0.5  # of a row, over which published ratios are spread so that they can be told apart
_CELLS = 100  # of a family that are drawn
_CLASSES = {"cpu": "CPU", "consumer gpu": "consumer GPU", "server gpu": "server GPU"}
_READING = (
    "Grey dots are published ratios, a row for each class of hardware and span of years; coloured marks are this "
    "sweep's. Others' networks, sizes and software differ, and few of them publish an interval: a ratio outside is no "
    "mistake, but worth an explanation."
)


def section(findings: Findings) -> Section | None:
    """Show every family that others published ratios of."""
    by_family: dict[str, list[int]] = {}
    for i in findings.conclusive:
        if place(findings.records[i]):
            by_family.setdefault(family_of(findings.records[i]), []).append(i)
    if not by_family:
        return None
    figures = [_figure(findings, family, numbers) for family, numbers in by_family.items()]
    figures[0] = replace(figures[0], reading=_READING)
    figures.append(Figure("Where the published ratios are from", _sources(by_family)))
    says = sentences([findings.records[i] for numbers in by_family.values() for i in numbers])
    return Section("normal", "Is it normal?", says, figures)


def _rows(family: str) -> dict[str, list[Published]]:
    """Published ratios by class of hardware and span of years, oldest first."""
    rows: dict[str, list[Published]] = {}
    for entry in sorted(published(family), key=lambda entry: (entry.device, entry.era, entry.ratio)):
        years = f"{entry.era[0]} to {entry.era[1]}" if entry.era[1] < 9999 else f"since {entry.era[0]}"
        years = f"before {entry.era[1] + 1}" if not entry.era[0] else years
        rows.setdefault(f"{_CLASSES[entry.device]}, {years}", []).append(entry)
    return rows


def _figure(findings: Findings, family: str, numbers: Sequence[int]) -> Figure:
    import plotly.graph_objects as go

    rows = _rows(family)
    drawn = numbers[:_CELLS]
    figure = go.Figure(layout=layout(_ROW * (len(rows) + 1) + 90))
    for row, entries in enumerate(rows.values()):
        figure.add_scatter(
            x=[entry.ratio for entry in entries],
            y=[-row + _SPREAD * ((number * 7 % 11) / 10 - 0.5) for number in range(len(entries))],
            mode="markers",
            marker={"color": NEUTRAL, "size": 6, "opacity": 0.55},
            hovertext=[f"{e.model}, {e.hardware}, {e.software} ({e.source.year}): {e.ratio:.2f}" for e in entries],
            hoverinfo="text",
        )
    figure.add_scatter(
        x=[findings.records[i].metrics["ratio"] for i in drawn],
        y=[-len(rows) + _SPREAD * ((number * 3 % 7) / 6 - 0.5) for number in range(len(drawn))],
        mode="markers",
        marker={
            "color": [colour(findings.records[i].framework) for i in drawn],
            "symbol": [symbol(findings.records[i]) for i in drawn],
            "size": 10,
        },
        hovertext=[f"{findings.full_name(i)}: {findings.records[i].metrics['ratio']:.2f}" for i in drawn],
        hoverinfo="text",
    )
    ratios = [entry.ratio for entries in rows.values() for entry in entries]
    ratios += [findings.records[i].metrics["ratio"] for i in drawn]
    scale = logarithmic(ratios) if max(ratios) > 8 * min(ratios) else {"nticks": 7, "tickangle": 0}
    figure.update_layout(
        margin={"l": 10, "r": 10, "t": 10, "b": 46},
        xaxis={"title": {"text": "backward / forward"}, "fixedrange": True, "zeroline": False} | scale,
        yaxis={
            "tickvals": [-row for row in range(len(rows) + 1)],
            "ticktext": [*(name.replace(", ", "<br>") for name in rows), "<b>this sweep</b>"],
            "range": [-len(rows) - 0.6, 0.6],
            "automargin": True,
            "fixedrange": True,
            "showgrid": False,
            "zeroline": False,
        },
    )
    return Figure(f"{family}: this sweep among published ratios", _grid(findings, numbers), figure)


def _grid(findings: Findings, numbers: Sequence[int]) -> Grid:
    rows = []
    for i in numbers:
        if found := place(findings.records[i]):
            ratios = found.ratios
            span = [f"{ratios[0]:.2f} to {ratios[-1]:.2f}", f"{statistics.median(ratios):.2f}", str(len(ratios))]
            ratio = f"{findings.records[i].metrics['ratio']:.2f}"
            rows.append([findings.full_name(i), ratio, found.word, found.like, *span, str(found.below)])
    columns = ["cell", "ratio", "place", "compared with", "published", "median", "how many", "of these below"]
    return Grid(columns, rows)


def _sources(by_family: Mapping[str, Sequence[int]]) -> Grid:
    """Tabulate the sources, with how many ratios each has and their range."""
    rows = []
    for family in by_family:
        by_source: dict[str, list[Published]] = {}
        for entry in published(family):
            by_source.setdefault(entry.source.key, []).append(entry)
        for entries in by_source.values():
            source, ratios = entries[0].source, [entry.ratio for entry in entries]
            span = f"{min(ratios):.2f} to {max(ratios):.2f}"
            rows.append([family, source.url, str(source.year), str(len(entries)), span, source.measured])
    return Grid(["family", "source", "year", "ratios", "range", "what was measured"], rows)
