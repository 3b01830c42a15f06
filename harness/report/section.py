"""What a section of the page consists of: sentences, plots, and the table of numbers behind each plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

MOST_ROWS = 60  # of a plot that has a row for each cell; beyond that it shows spreads over cells
MOST_LISTED = 300  # rows of a table on the page; the CSV beside it has all


@dataclass(frozen=True)
class Grid:
    """A table as text. The first column has labels, the others numbers or words.

    `total` is the number of rows before the table was cut to the first of them; 0 if it was not cut.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    total: int = 0

    @property
    def listed(self) -> Sequence[Sequence[str]]:
        """The rows that the page shows."""
        return self.rows[:MOST_LISTED]

    @property
    def left_out(self) -> int:
        """The number of rows that it does not show."""
        return max(self.total, len(self.rows)) - len(self.listed)


@dataclass(frozen=True)
class Figure:
    """A plot, or a table alone.

    Attributes:
        title: what is plotted, in a few words.
        grid: the numbers.
        plot: a plotly figure; None for a table alone.
        reading: how to read the plot, in a sentence.
        unfolded: whether the table is shown without being asked for.
    """

    title: str
    grid: Grid
    plot: Any = None
    reading: str = ""
    unfolded: bool = False


@dataclass(frozen=True)
class Section:
    """What the page says of one question.

    Attributes:
        key: its anchor.
        title: its heading.
        says: its findings, a sentence or two each.
        figures: its plots and tables.
        notes: smaller print below them.
    """

    key: str
    title: str
    says: Sequence[str]
    figures: Sequence[Figure] = ()
    notes: Sequence[str] = field(default_factory=tuple)


def short(value: float) -> str:
    """Write a number with three digits, and without an exponent if it is large."""
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"
