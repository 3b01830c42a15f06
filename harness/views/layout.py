"""Lays out a table as lines of text that fit a width: numbers aligned, headings and long labels wrapped."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

WIDEST = 100  # characters of a line, unless the terminal is wider
SHORTEST = 16  # characters of a label that is wrapped


class Cell(NamedTuple):
    """The text of a cell, and the marks of the notes on it, which stand behind the text."""

    text: str
    marks: str = ""


class Group(NamedTuple):
    """Rows of a table below a heading of their own; an empty heading takes no line."""

    heading: str
    rows: Sequence[Sequence[Cell]]


class Line(NamedTuple):
    """A line of text; headings are bold."""

    text: str
    bold: bool = False


class _Column(NamedTuple):
    """The characters that the texts of a column take, and those of the marks behind them."""

    text: int
    marks: int

    @classmethod
    def of(cls, name: str, cells: Sequence[Cell]) -> _Column:
        """Return the width of the longest cell, or of the longest word of the name if that is longer."""
        marks = max((len(cell.marks) for cell in cells), default=0)
        return cls(max(*(len(word) - marks for word in name.split()), *(len(cell.text) for cell in cells), 0), marks)

    @property
    def width(self) -> int:
        """The characters of texts and marks together."""
        return self.text + self.marks


def layout(names: Sequence[str], groups: Sequence[Group], width: int) -> list[Line]:
    """Lay out a table whose first column has labels, and whose others have numbers.

    It takes at most `width` characters if it fits with two spaces between columns or with one; else at most `WIDEST`,
    where labels are wrapped if need be.
    """
    rows = [row for group in groups for row in group.rows]
    columns = [_Column.of(name, [row[i] for row in rows]) for i, name in enumerate(names)]
    indented = any(group.heading for group in groups)

    def taken(gap: int) -> int:
        """Count the characters of a line. Rows below a heading are indented by a gap."""
        return sum(column.width for column in columns) + gap * (len(columns) - 1 + indented)

    widest = max(width, WIDEST)
    fitting = [gap for limit in (width, widest) for gap in (2, 1) if taken(gap) <= limit]
    gap = fitting[0] if fitting else 1
    too_much = max(0, taken(gap) - widest)
    columns[0] = _Column(max(columns[0].text - too_much, SHORTEST), columns[0].marks) if too_much else columns[0]
    space, indent = " " * gap, " " * (gap * indented)

    def lines(stacks: Sequence[Sequence[str]]) -> list[str]:
        """Write cells of several lines beside each other; each line has the width of its column."""
        blank = [" " * column.width for column in columns]
        height = max(map(len, stacks))
        table = [[s[i] if i < len(s) else blank[c] for c, s in enumerate(stacks)] for i in range(height)]
        return [(indent + space.join(row)).rstrip() for row in table]

    headings = [_label(Cell(names[0]), columns[0]), *map(_heading, names[1:], columns[1:])]
    text = [Line(line, bold=True) for line in lines(headings)]
    for number, group in enumerate(groups):
        if group.heading:
            text += [Line("")] * bool(number) + [Line(group.heading, bold=True)]
        for label, *numbers in group.rows:
            cells = [_label(label, columns[0]), *([number] for number in map(_number, numbers, columns[1:]))]
            text += map(Line, lines(cells))
    return text


def _heading(name: str, column: _Column) -> list[str]:
    """Wrap the name of a column at the column's width, right above its numbers."""
    return [f"{line:>{column.width}}" for line in textwrap.wrap(name, column.width)]


def _label(cell: Cell, column: _Column) -> list[str]:
    """Wrap a label; its marks follow the last word."""
    pieces = textwrap.wrap(cell.text, column.text, subsequent_indent="  ", break_on_hyphens=False) or [""]
    pieces[-1] += cell.marks
    return [f"{piece:<{column.width}}" for piece in pieces]


def _number(cell: Cell, column: _Column) -> str:
    """Align a number at its last digit; its marks stand behind that."""
    return f"{cell.text:>{column.text}}{cell.marks:<{column.marks}}"
