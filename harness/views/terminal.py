"""The findings on the terminal: a line per finished variant, and a table at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable

from ..claims import text as claim_text
from ..claims.verdicts import StudyVerdict
from ..records.record import Record
from .plural import duration, plural
from .progress import Progress
from .table import Table, interval, ratio, variant

_TEXT_COLUMNS = ("model", "framework", "execution", "outcome", "prediction", "predicted", "called by")

_WIDEST = 1000  # characters of a table


class Terminal:
    """Prints results as they come. `progress` shows what is going on, where a person watches."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self.progress = Progress(self.console)
        self.workloads: dict[Path, str] = {}  # names of planned workloads, by the record file of each variant
        self.names: dict[Path, str] = {}  # of planned variants with their workloads, equally long
        self.later_s: dict[Path, float] = {}  # by record file: seconds planned for the jobs after its own

    def say(self, text: str) -> None:
        """Print one line."""
        self.console.print(text, markup=False, soft_wrap=True)

    def plan(self, names: Mapping[Path, tuple[str, str]]) -> None:
        """Tell which variants come, by record file: the name of each one's workload, and its own."""
        self.workloads |= {path: name[0] for path, name in names.items()}
        workload, own = (max((len(name[i]) for name in names.values()), default=0) for i in (0, 1))
        self.names |= {path: f"{name[0]:<{workload}}  {name[1]:<{own}}" for path, name in names.items()}

    def name(self, path: Path) -> str:
        """What the variant with this record file is called, with its workload; empty if it was not planned."""
        return " ".join(self.names.get(path, "").split())

    def starting(self, paths: Sequence[Path], where: str) -> None:
        """Print the line of a job that starts, with the record files of its variants."""
        workload = self.workloads.get(paths[0], paths[0].stem)
        self.say(f"{workload}: {plural(len(paths), 'variant')} on {where}")

    def doing(self, what: str, path: Path, left_s: float | None) -> None:
        """Show what is done with a planned variant, while nothing is timed.

        `left_s` is what remains of its job; None leaves the estimate as it is.
        """
        name = self.name(path) or path.stem
        self.progress.show(f"{what} {name}", None if left_s is None else left_s + self.later_s.get(path, 0.0))

    def finished(self, record: Record, path: Path, left_s: float) -> None:
        """Print the line of a finished variant. `left_s` is what remains of its job; later jobs are added to it."""
        name = self.names.get(path, f"{record.model}  {variant(record)}")
        if record.outcome == "ok":
            bounds = interval(record)
            result = f"ratio {ratio(record)} [{bounds}]" if ratio(record) else f"ratio {bounds}"
            result += "  noisy" if record.noise else ""
        else:
            result = f"{record.outcome}: {record.reason}"
        left_s += self.later_s.get(path, 0.0)
        self.say(f"{name}  {result}" + (f"  ({duration(left_s)} left)" if left_s >= 0.5 else ""))

    def table(self, records: Sequence[Record]) -> None:
        """Print all variants of a sweep, the remarks on them, and the answer."""
        table = Table.of(records)
        self.console.print()
        for line in table.lines(self.console.width) if records else ():
            self.console.print(line.text, style="bold" if line.bold else None, markup=False, soft_wrap=True)
        for text in ("", *filter(None, table.remarks()), "", table.answer):
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
        table = RichTable(*columns, box=None, pad_edge=False, header_style="bold")
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


TERMINAL = Terminal()  # one per process
