"""The findings on the terminal: a line per finished variant, and a table at the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ..claims import text as claim_text
from ..claims.verdicts import StudyVerdict
from ..records.record import Record
from .table import COLUMNS, answer, execution, interval, remarks, row

_TEXT_COLUMNS = ("model", "framework", "execution", "outcome", "prediction", "predicted")

_WIDEST = 1000  # characters of a table


class Terminal:
    """Prints results as they come. It never redraws, so that nothing runs during a measurement."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self.later_s: dict[Path, float] = {}  # by record file: seconds planned for the jobs after its own

    def say(self, text: str) -> None:
        """Print one line."""
        self.console.print(text, markup=False, soft_wrap=True)

    def finished(self, record: Record, path: Path, left_s: float) -> None:
        """Print the line of a finished variant. `left_s` is what remains of its job; later jobs are added to it."""
        m = record.metrics
        what = f"{record.model:<10} {record.framework + ' ' + execution(record):<18}"
        if record.outcome == "ok":
            found = f"ratio {m['ratio']:.2f} [{interval(record)}]  ok"
            found += f" (noisy: {record.noise})" if record.noise else ""
        else:
            found = f"{record.outcome}: {record.reason}"
        self.say(f"{what} {found}  ({_readable(left_s + self.later_s.get(path, 0.0))})")

    def table(self, records: Sequence[Record]) -> None:
        """Print all variants of a sweep, the remarks on them, and the answer."""
        self._table(COLUMNS, [row(record) for record in records])
        for text in ("", *remarks(records), "", answer(records)):
            self.say(text)

    def verdicts(self, study: StudyVerdict) -> None:
        """A claim, what was found along its axis, and the verdict on each prediction."""
        self.say(f"\n{claim_text.headline(study)}")
        self._table(*claim_text.table(study))
        for text in ("", *claim_text.sentences(study)):
            self.say(text)

    def show(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table."""
        self._table(columns, rows)

    def _table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        table = Table(*columns, box=None, pad_edge=False, header_style="bold")
        for column in table.columns:
            column.justify = "left" if column.header in _TEXT_COLUMNS else "right"
            column.no_wrap = column.header != "outcome"
            column.overflow = "fold"
        for cells in rows:
            table.add_row(*cells)
        # A wide table that the terminal wraps is easier to read than one with folded cells.
        needed = self.console.measure(table, options=self.console.options.update(max_width=_WIDEST)).maximum
        self.console.print()
        wide = Console(file=self.console.file, width=max(self.console.width, needed), highlight=False)
        wide.print(table, markup=False)


def _readable(seconds: float) -> str:
    return f"{seconds / 60:.0f} min left" if seconds >= 90 else f"{seconds:.0f} s left"


TERMINAL = Terminal()  # one per process
