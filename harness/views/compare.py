"""Two sweeps, cell by cell: times are faster, slower or the same, ratios higher or lower, or it cannot be told."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from ..measure import stats
from ..measure.comparison import Answer, Comparison
from ..measure.family import ALARMS, LEAST_CELLS, MARGIN, Difference, compared_together
from ..records.calibration import Calibration
from ..records.record import Record
from .labels import labels
from .plural import plural
from .table import variant

TIMES = ("forward", "backward", "gradient")
QUANTITIES = {"forward": "forward", "backward": "backward", "gradient": "step", "ratio": "ratio"}  # with their names
_OF_A_RATIO = {Answer.SLOWER: "higher", Answer.FASTER: "lower"}  # a ratio is no time

MEMORY_MARGIN = 0.001  # relative difference of memory that is told


@dataclass(frozen=True)
class CellComparison:
    """One cell measured on both sides.

    Attributes:
        workload: its name, with what tells it from others.
        variant: the name of its variant.
        quantities: the comparison of each quantity.
        kept_mib: the memory that forward keeps, in A and in B; None if one is not known.
        disturbed: why nothing is told of its times; empty if neither side was disturbed.
        in_same_rounds: B was measured in turn with A.
    """

    workload: str
    variant: str
    quantities: dict[str, Comparison]
    kept_mib: tuple[float, float] | None = None
    disturbed: str = ""
    in_same_rounds: bool = False

    @property
    def name(self) -> str:
        """The workload and the variant."""
        return f"{self.workload} {self.variant}"


def compare_all(pairs: Sequence[tuple[Record, Record]], calibration: Calibration) -> list[CellComparison]:
    """Compare every pair, all at once; the names of cells have what tells their workloads apart."""
    workloads = labels(a for a, _ in pairs)
    asked = [(i, quantity) for i, pair in enumerate(pairs) for quantity in _timed(*pair)]
    differences = [_difference(*pairs[i], quantity, calibration) for i, quantity in asked]
    judged: list[dict[str, Comparison]] = [{} for _ in pairs]
    for (i, quantity), comparison in zip(asked, compared_together(differences), strict=True):
        judged[i][quantity] = comparison
    return [
        CellComparison(label, variant(a), quantities, _kept_mib(a, b), a.noise or b.noise, _in_same_rounds(a, b))
        for (a, b), label, quantities in zip(pairs, workloads, judged, strict=True)
    ]


def compare(a: Record, b: Record, calibration: Calibration) -> CellComparison:
    """Compare B with A alone, quantity by quantity."""
    return compare_all([(a, b)], calibration)[0]


def _difference(a: Record, b: Record, quantity: str, calibration: Calibration) -> Difference:
    """Compute ln B - ln A of a quantity, trial by trial.

    They ran in different processes, so each has an offset of its own. In the same rounds, what disturbs or drifts is
    the same for the times that were measured one after the other, and their differences are free of it.
    """
    spread = calibration.of(a)
    together = _in_same_rounds(a, b)
    old, new = _logs(a, quantity), _logs(b, quantity)
    trials = min(len(old), len(new))
    centres, ses = [], []
    for x, y in zip(old[:trials], new[:trials], strict=True):
        if together:
            pairs = min(x.size, y.size)
            estimate = stats.within(y[:pairs] - x[:pairs])
            centres.append(estimate.centre)
            ses.append(estimate.se)
        else:
            before, after = stats.within(x), stats.within(y)
            centres.append(after.centre - before.centre)
            ses.append(math.hypot(after.se, before.se))
    return Difference(
        quantity,
        a.framework,
        centres,
        ses,
        math.sqrt(2) * spread.sigma[quantity],
        spread.df,
        of_time=quantity in TIMES,
        in_same_rounds=together,
        disturbed=bool(a.noise or b.noise),
    )


def _in_same_rounds(a: Record, b: Record) -> bool:
    return bool(a.rounds) and a.rounds == b.rounds


def _timed(a: Record, b: Record) -> list[str]:
    """List the quantities that were timed on both sides."""
    phases = [trial["seconds"] for record in (a, b) for trial in record.samples]
    return [quantity for quantity in QUANTITIES if quantity == "ratio" or all(quantity in names for names in phases)]


def _logs(record: Record, quantity: str) -> list[stats.Array]:
    """Return the natural logarithms of a quantity, in time order, for each trial."""
    return [
        stats.log_ratio(trial["seconds"]["backward"], trial["seconds"]["forward"])
        if quantity == "ratio"
        else stats.log_times(trial["seconds"][quantity])
        for trial in record.samples
    ]


def _kept_mib(a: Record, b: Record) -> tuple[float, float] | None:
    kept_mib = (a.metrics.get("residual_mib"), b.metrics.get("residual_mib"))
    return None if kept_mib[0] is None or kept_mib[1] is None else (kept_mib[0], kept_mib[1])


def lines(cells: Sequence[CellComparison]) -> list[str]:
    """One line per cell and quantity, then the geometric means over cells, and the `footnotes`."""
    width = max((len(cell.name) for cell in cells), default=0)
    written = []
    for cell in cells:
        for quantity, judged in cell.quantities.items():
            words = f"{QUANTITIES[quantity]:<8}  {word(quantity, judged.answer):<11}"
            written.append(f"{cell.name:<{width}}  {words}  {change_with_interval(judged)}{mark(cell, judged)}")
        if memory := kept(cell):
            more = "more" if cell.kept_mib and cell.kept_mib[1] > cell.kept_mib[0] else "less"
            written.append(f"{cell.name:<{width}}  {'kept':<8}  {more:<11}  {memory}")
    for quantity, name in QUANTITIES.items() if len(cells) > 1 else ():
        compared_in = [cell.quantities[quantity] for cell in cells if quantity in cell.quantities]
        if changes := [judged.change.centre for judged in compared_in if _has_interval(judged)]:
            mean = statistics.geometric_mean(changes) - 1
            written.append(
                f"{'geometric mean':<{width}}  {name:<8}  {'':<11}  {mean:+.1%} over {plural(len(changes), 'cell')}"
            )
    return [*written, *footnotes(cells)]


def footnotes(cells: Sequence[CellComparison]) -> list[str]:
    """What the marks mean, how sure the words are, and what to do where an answer cannot be told; a line each."""
    judged = [(cell, comparison) for cell in cells for comparison in cell.quantities.values()]
    marks = {mark(cell, comparison) for cell, comparison in judged}
    said = []
    if len(cells) > 1:
        said.append(
            f"slower, faster, higher, lower: {MARGIN:.0%} or more, and by chance alone in at most {ALARMS:.0%} of such "
            f"tables anywhere (Holm, over {len(judged)} comparisons); each interval is 95 % by itself"
        )
    if "*" in marks:
        said.append("*: by itself the interval says so; among so many one such is likely, so measure this cell again")
    if "!" in marks:
        said.append("!: disturbed while measured, so nothing is told; redo=noisy measures it again")
    for quantity in TIMES:
        change = _in_most_cells(cells, quantity)
        if abs(change) >= MARGIN:
            said.append(
                f"{QUANTITIES[quantity]} changed by {change:+.1%} in most cells, by the machine or by the change: "
                "only one sweep of both sides tells which (environments={...})"
            )
    if any(comparison.answer is Answer.CANNOT_TELL for _, comparison in judged):
        said.append(
            "what cannot be told: measure=standard, make selfcheck before it, and both sides in one sweep "
            "(environments={...}) narrow the intervals"
        )
    return said


def _in_most_cells(cells: Sequence[CellComparison], quantity: str) -> float:
    """Return the median relative change over cells measured apart; 0 if there are too few to speak of most."""
    changes = [
        cell.quantities[quantity].change.centre - 1
        for cell in cells
        if quantity in cell.quantities and not cell.disturbed and not cell.in_same_rounds
    ]
    return statistics.median(changes) if len(changes) >= LEAST_CELLS else 0.0


def change_with_interval(judged: Comparison) -> str:
    """Write the relative change with its interval: `+5.1% [+3.0%, +7.2%]`."""
    if not _has_interval(judged):
        return "too few pairs"
    change = judged.change
    return f"{change.centre - 1:+.1%} [{change.low - 1:+.1%}, {change.high - 1:+.1%}]"


def mark(cell: CellComparison, judged: Comparison) -> str:
    """Return the mark behind an interval, which `footnotes` explains; empty if there is nothing to say."""
    if cell.disturbed:
        return "!"
    excludes_none = judged.change.low > 1 or judged.change.high < 1
    return "*" if judged.answer is Answer.CANNOT_TELL and excludes_none else ""


def word(quantity: str, answer: Answer) -> str:
    """Return the word for an answer: times are slower or faster, ratios higher or lower."""
    return _OF_A_RATIO.get(answer, answer) if quantity == "ratio" else answer


def kept(cell: CellComparison) -> str:
    """Write by how much the memory that forward keeps differs: it is counted, and has no interval. Empty if equal."""
    old, new = cell.kept_mib or (0.0, 0.0)
    if abs(new - old) <= MEMORY_MARGIN * max(old, new):
        return ""
    change = f"{new / old - 1:+.1%} " if old else ""
    return f"{change}({old:.3g} to {new:.3g} MiB)"


def _has_interval(judged: Comparison) -> bool:
    """Return True if there were enough pairs for an interval."""
    return not math.isnan(judged.change.low)


def exit_code(cells: Sequence[CellComparison]) -> int:
    """1 if forward or backward is slower in any cell, otherwise 0."""
    timed = ("forward", "backward")
    return int(any(cell.quantities[name].answer is Answer.SLOWER for cell in cells for name in timed))
