"""What the sweep varied, as curves: ratio and training step along every size that has several values."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from .findings import Findings
from .lines import MOST, Line, axes, lines, medians, value
from .section import MOST_LISTED, Figure, Grid, Section, short
from .steps import memory_mib, step_ms
from .style import NEUTRAL, layout, legend, logarithmic

_BAND = 0.16  # opacity
_TICKED = 6  # places on an axis that all get a tick
_PLOT, _LEGEND_ROW = 290, 22  # pixels


def section(findings: Findings) -> Section | None:
    """Draw a figure for each model and size of several values."""
    by_model: dict[str, list[int]] = {}
    for i, record in enumerate(findings.records):
        if record.outcome == "ok":
            by_model.setdefault(record.model, []).append(i)
    says, figures = [], []
    for model, numbers in by_model.items():
        for axis in axes([findings.records[i] for i in numbers]):
            if along := lines(findings, axis, numbers):
                says.append(_said(model, axis, along))
                drawn = along if len(along) <= MOST else medians(findings, axis, numbers)
                reading = _reading(len(along) > MOST)
                title = f"{model} along {axis}"
                figures.append(Figure(title, _grid(findings, axis, numbers), _plot(axis, drawn), reading))
    return Section("axes", "Along what was varied", says, figures) if figures else None


def _reading(many: bool) -> str:
    line = (
        "a line is the median of one variant over all else that was varied, its band the middle half"
        if many
        else "a line is one variant, its band the 95 % interval"
    )
    return f"Left the ratio, right the time of a training step; {line}. The dotted line is 2."


def _said(model: str, axis: str, along: Sequence[Line]) -> str:
    """Say how the ratio changes from one end of the axis to the other, over all lines."""
    places = sorted({point.place for line in along for point in line.points})
    span = f"{model}, {axis} from {places[0]:g} to {places[-1]:g}"
    ends = [[p.ratio[1] for p in line.points if p.ratio] for line in along]
    ends = [ratios for ratios in ends if len(ratios) > 1]
    if not ends:
        return f"{span}: no ratio can be told at two places."
    first, last = statistics.median(e[0] for e in ends), statistics.median(e[-1] for e in ends)
    over = f", the median of {len(ends)} lines" if len(ends) > 1 else ""
    return f"{span}: the ratio goes from {first:.2f} to {last:.2f}{over}."


def _plot(axis: str, drawn: Sequence[Line]) -> Any:
    from plotly.subplots import make_subplots

    titles = ("backward / forward", "training step, ms")
    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.14, subplot_titles=titles)
    below = 84 + _LEGEND_ROW * len(drawn)
    figure.update_layout(layout(_PLOT + 34 + below))
    figure.update_annotations(font_size=13)
    for line in drawn:
        _add(figure, line)
    places = sorted({point.place for line in drawn for point in line.points})
    wide = places[0] > 0 and places[-1] >= 8 * places[0]
    ticks = {"tickvals": places, "ticktext": [f"{place:g}" for place in places]} if len(places) <= _TICKED else {}
    figure.update_xaxes(
        {"title": {"text": axis}, "fixedrange": True, "zeroline": False, "type": "log" if wide else "linear"} | ticks
    )
    figure.update_yaxes({"fixedrange": True, "zeroline": False, "automargin": True, "nticks": 7})
    if steps := [point.step_ms for line in drawn for point in line.points if point.step_ms is not None]:
        figure.update_yaxes(logarithmic(steps), row=1, col=2)
    figure.add_shape(type="line", xref="x domain", x0=0, x1=1, y0=2, y1=2, line={"color": NEUTRAL, "dash": "dot"})
    figure.update_layout(
        showlegend=True,
        legend=legend(_PLOT) | {"orientation": "v"},
        margin={"l": 10, "r": 10, "t": 34, "b": below},
    )
    return figure


def _add(figure: Any, line: Line) -> None:
    """Add a line to both panels, and its band to the left one."""
    style = {"color": line.colour, "dash": line.dash, "width": 2}
    own = {"mode": "lines+markers", "name": line.name, "legendgroup": line.name, "line": style}
    conclusive = [(point.place, *point.ratio) for point in line.points if point.ratio]
    if conclusive:
        places = [point[0] for point in conclusive]
        figure.add_scatter(
            x=places + places[::-1],
            y=[low for _, low, _, _ in conclusive] + [high for *_, high in conclusive][::-1],
            fill="toself",
            fillcolor=line.colour,
            opacity=_BAND,
            line_width=0,
            mode="lines",
            hoverinfo="skip",
            legendgroup=line.name,
            showlegend=False,
            row=1,
            col=1,
        )
    figure.add_scatter(x=[point[0] for point in conclusive], y=[point[2] for point in conclusive], **own, row=1, col=1)
    timed = [point for point in line.points if point.step_ms is not None]
    figure.add_scatter(
        x=[point.place for point in timed], y=[p.step_ms for p in timed], **own, showlegend=False, row=1, col=2
    )


def _grid(findings: Findings, axis: str, numbers: Sequence[int]) -> Grid:
    rows = []
    for i in sorted(
        numbers[:MOST_LISTED], key=lambda i: (findings.variants[i], value(findings.records[i], axis) or 0.0)
    ):
        record = findings.records[i]
        m, step, memory = record.metrics, step_ms(record), memory_mib(record)
        ratios = [
            f"{m[name]:.2f}" if i in findings.conclusive_set else "" for name in ("ratio", "ratio_low", "ratio_high")
        ]
        others = ["" if number is None else short(number) for number in (step, memory)]
        place = value(record, axis)
        rows.append([findings.full_name(i), "" if place is None else f"{place:g}", *ratios, *others])
    return Grid(["cell", axis, "ratio", "low", "high", "step ms", "MiB"], rows, len(numbers))
