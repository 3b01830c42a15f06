"""The findings on the terminal: a line for each finished variant, and the table at the end."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from .record import Record
from .summary import COLUMNS, answer, execution, interval, remarks, row

_TEXT_COLUMNS = ("model", "framework", "execution", "outcome")


class Terminal:
    """Prints as things happen; never redraws, so that nothing runs beside a measurement."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        # A wide table that the terminal wraps is easier to read than one with folded cells.
        self.console.width = max(self.console.width, 140)

    def say(self, text: str) -> None:
        """One line."""
        self.console.print(text, markup=False, soft_wrap=True)

    def finished(self, record: Record, left: str) -> None:
        """One finished variant, and how long the rest of the sweep will take."""
        m = record.metrics
        what = f"{record.model:<10} {record.framework + ' ' + execution(record):<18}"
        if record.outcome == "ok":
            found = f"ratio {m['ratio']:.2f} [{interval(record)}]  ok"
            found += f" (noisy: {record.noise})" if record.noise else ""
        else:
            found = f"{record.outcome}: {record.reason}"
        self.say(f"{what} {found}  ({left})")

    def table(self, records: Sequence[Record]) -> None:
        """All variants of a sweep, what the table marks, and the answer."""
        table = Table(*COLUMNS, box=None, pad_edge=False, header_style="bold")
        for column in table.columns:
            column.justify = "left" if column.header in _TEXT_COLUMNS else "right"
            column.no_wrap = column.header != "outcome"
            column.overflow = "fold"
        for record in records:
            table.add_row(*row(record))
        self.console.print()
        self.console.print(table, markup=False)
        for text in ("", *remarks(records), "", answer(records)):
            self.say(text)
