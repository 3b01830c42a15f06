"""Draws how numbers are spread over the cells of a sweep that has too many of them for a row each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .forest import wrapped
from .section import MOST_ROWS
from .style import NEUTRAL, layout

_ROW = 42  # pixels


def spread(numbers: Mapping[str, Sequence[float]], colours: Mapping[str, str], axis: str, line: float) -> Any:
    """Draw a box for each name, those with most numbers first, and no more than there is room for."""
    import numpy as np
    import plotly.graph_objects as go

    names = sorted(numbers, key=lambda name: -len(numbers[name]))[:MOST_ROWS]
    figure = go.Figure(layout=layout(_ROW * len(names) + 70))
    for name in names:
        figure.add_box(
            x=np.asarray(numbers[name], dtype=np.float32),
            name=wrapped(f"{name} ({len(numbers[name])})"),
            line_color=colours[name],
            boxpoints="outliers",
            marker={"size": 3, "opacity": 0.5},
            orientation="h",
        )
    figure.add_shape(type="line", x0=line, x1=line, yref="paper", y0=0, y1=1, line={"color": NEUTRAL, "dash": "dot"})
    figure.update_layout(
        xaxis={"title": {"text": axis}, "fixedrange": True, "zeroline": False, "nticks": 7, "tickangle": 0},
        yaxis={"automargin": True, "fixedrange": True, "autorange": "reversed"},
    )
    return figure
