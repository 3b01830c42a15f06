"""How plots look: a colour for each framework, a symbol for each execution, and the layout that all share.

The colours stand out from a light and from a dark page alike, and are told apart by people who see fewer of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..records.record import Record

NEUTRAL = "#808894"
COLOURS = {"torch": "#dd5a1f", "jax": "#3d86d8", "tensorflow": "#159e78", "numpy": "#a06fd6"}
_FEWEST_TICKS = 3  # of a logarithmic axis
SYMBOLS = {"eager": "circle", "compile": "square", "jit": "square", "graph": "diamond", "xla": "triangle-up"}


def colour(framework: str) -> str:
    """Return the colour of a framework."""
    return COLOURS.get(framework, NEUTRAL)


def symbol(record: Record, conclusive: bool = True) -> str:
    """Return the symbol of a record's execution, hollow for a number without an interval."""
    return SYMBOLS.get(record.execution, "circle") + ("" if conclusive else "-open")


def layout(height: int, **more: Any) -> dict[str, Any]:
    """Return the layout of a plot of that many pixels; the page adds what depends on light and dark."""
    return {
        "template": None,
        "height": height,
        "margin": {"l": 10, "r": 10, "t": 10, "b": 44},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"size": 13},
        "showlegend": False,
        "dragmode": False,
        "hovermode": "closest",
    } | more


def logarithmic(ends: Sequence[float]) -> dict[str, Any]:
    """Return what makes an axis logarithmic, with ticks at round numbers, for numbers above 0 that it has to show."""
    least, most = min(ends) / 1.15, max(ends) * 1.15
    decades = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    for steps in ((1, 10), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7)):
        ticks = [step * 10.0**decade for decade in decades for step in steps]
        ticks = sorted({tick for tick in ticks if least <= tick <= most})
        if len(ticks) >= _FEWEST_TICKS:
            break
    return {
        "type": "log",
        "range": [math.log10(least), math.log10(most)],
        "tickvals": ticks,
        "ticktext": [f"{tick:g}" for tick in ticks],
        "tickangle": 0,
    }


def legend(plot: int) -> dict[str, Any]:
    """Return a legend below a plot that is so many pixels high, its axis and title left out."""
    below = {"orientation": "h", "x": 0, "xanchor": "left", "y": -64 / plot, "yanchor": "top"}
    return below | {"font": {"size": 12}}
