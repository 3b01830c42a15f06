"""Draws a forest plot: a row for each number, with its interval, in groups below headings."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .style import NEUTRAL, layout, logarithmic

_ROW, _TALL_ROW = 30, 38  # pixels; tall ones have two lines of text at the right
_WRAP = 20  # characters of a label; longer ones take several lines
_HEADING = 32  # characters of a line of a heading
_DOTTED = {"line": {"color": NEUTRAL, "dash": "dot"}}
_DECADES = 8.0  # above this quotient of the largest and the smallest number, the axis is logarithmic


@dataclass(frozen=True)
class Row:
    """A number of a forest plot.

    Attributes:
        label: what it is the number of.
        centre: the number.
        low: lower end of its interval; the number itself if there is none.
        high: upper end.
        text: the number as it stands at the right.
        colour: of its mark.
        symbol: of its mark.
        hover: what is shown when it is pointed at.
        expected: where it was expected, if anywhere: a mark.
        band: the ends of where it was expected; None for no end, or for both if nothing was.
    """

    label: str
    centre: float
    low: float
    high: float
    text: str
    colour: str = NEUTRAL
    symbol: str = "circle"
    hover: str = ""
    expected: float | None = None
    band: tuple[float | None, float | None] = (None, None)


def forest(groups: Mapping[str, Sequence[Row]], axis: str, line: float, right: int = 52) -> Any:
    """Draw rows in groups by heading; an empty heading takes no row.

    Args:
        groups: the rows of each group.
        axis: what the numbers are.
        line: the number at which a vertical line stands.
        right: pixels for the texts at the right.
    """
    import plotly.graph_objects as go

    placed: list[tuple[float, Row]] = []
    headings: list[tuple[float, str]] = []
    y = 0.0
    for heading, rows in groups.items():
        if heading:
            lines_of_heading = textwrap.wrap(heading, _HEADING, break_on_hyphens=False)
            headings.append((y, "<br>".join(lines_of_heading)))
            y -= 0.4 + 0.6 * len(lines_of_heading)
        for row in rows:
            lines = len(wrapped(row.label).split("<br>"))
            y -= (lines - 1) * 0.3
            placed.append((y, row))
            y -= 1 + (lines - 1) * 0.3
    ends = [x for _, row in placed for x in (row.centre, row.low, row.high, row.expected, line) if x is not None]
    scale, bounds = _scale(ends)
    height = _TALL_ROW if any("<br>" in row.text for _, row in placed) else _ROW
    figure = go.Figure(layout=layout(int(height * -y) + 58))
    shapes = [_box(at, row, bounds) for at, row in placed if row.band != (None, None)]
    shapes.append({"type": "line", "x0": line, "x1": line, "yref": "paper", "y0": 0, "y1": 1} | _DOTTED)
    for colour in dict.fromkeys(row.colour for _, row in placed):
        of_colour = [(at, row) for at, row in placed if row.colour == colour]
        figure.add_scatter(
            x=[row.centre for _, row in of_colour],
            y=[at for at, _ in of_colour],
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [row.high - row.centre for _, row in of_colour],
                "arrayminus": [row.centre - row.low for _, row in of_colour],
                "thickness": 2.5,
                "width": 0,
                "color": colour,
            },
            mode="markers",
            marker={"color": colour, "symbol": [row.symbol for _, row in of_colour], "size": 10},
            hovertext=[row.hover or f"{row.label}: {row.text}" for _, row in of_colour],
            hoverinfo="text",
        )
    if expected := [(at, row) for at, row in placed if row.expected is not None]:
        figure.add_scatter(
            x=[row.expected for _, row in expected],
            y=[at for at, _ in expected],
            mode="markers",
            marker={"symbol": "line-ns", "size": 17, "line": {"width": 2.5, "color": NEUTRAL}},
            hovertext=[f"{row.label}: {row.expected:.3g} expected" for _, row in expected],
            hoverinfo="text",
        )
    texts = [{"text": f"<b>{heading}</b>", "x": 0, "y": at + 0.45, "yanchor": "top"} for at, heading in headings]
    texts += [
        {"text": row.text, "x": 1, "xshift": 6, "y": at, "yanchor": "middle", "font": {"size": 12}}
        for at, row in placed
    ]
    beside = {"xref": "paper", "xanchor": "left", "align": "left", "showarrow": False}
    figure.update_layout(
        shapes=shapes,
        annotations=[text | beside for text in texts],
        margin={"l": 10, "r": right + 8, "t": 8, "b": 46},
        xaxis={"title": {"text": axis}, "fixedrange": True, "zeroline": False} | scale,
        yaxis={
            "range": [y + 0.3, 0.6],
            "tickvals": [at for at, _ in placed],
            "ticktext": [wrapped(row.label) for _, row in placed],
            "automargin": True,
            "fixedrange": True,
            "showgrid": False,
            "zeroline": False,
        },
    )
    return figure


def _box(at: float, row: Row, bounds: tuple[float, float]) -> dict[str, Any]:
    """The band of a row, which ends with the axis where it has no end."""
    low, high = row.band
    ends = max(bounds[0], bounds[0] if low is None else low), min(bounds[1], bounds[1] if high is None else high)
    sides = {"x0": ends[0], "x1": ends[1], "y0": at - 0.32, "y1": at + 0.32}
    return {"type": "rect", "fillcolor": NEUTRAL, "opacity": 0.22, "line": {"width": 0}} | sides


def wrapped(label: str) -> str:
    """Break a label into lines of a plot."""
    return "<br>".join(textwrap.wrap(label, _WRAP, break_on_hyphens=False) or [""])


def _scale(ends: Sequence[float]) -> tuple[dict[str, Any], tuple[float, float]]:
    """Return the scale of an axis that shows all numbers, and its ends; it is logarithmic if they differ by much."""
    least, most = min(ends), max(ends)
    if least > 0 and most > _DECADES * least:
        return logarithmic(ends), (least / 1.15, most * 1.15)
    margin = 0.05 * (most - least) or 0.1
    return {"range": [least - margin, most + margin], "nticks": 7, "tickangle": 0}, (least - margin, most + margin)
