"""Two sweeps, cell by cell: faster, slower, same, or cannot tell."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..errors import UserError
from ..measure import stats
from ..measure.comparison import Answer, Comparison, compared
from ..measure.machine.environment import differences
from ..records.calibration import Calibration
from ..records.record import Record

QUANTITIES = ("forward", "backward", "ratio")


@dataclass(frozen=True)
class CellComparison:
    """One cell measured in two sweeps: its name, and the comparison of each quantity."""

    name: str
    quantities: dict[str, Comparison]


def match(before: Sequence[Record], after: Sequence[Record], force: bool) -> list[tuple[Record, Record]]:
    """Pair the records of two sweeps that measured the same cell.

    A model and variant that occurs once on each side is paired even if its cells differ. Raises UserError if nothing
    matches or, unless `force`, if a pair differs in machine, sizes, precision, choices, device or threads; the message
    names the differences.
    """
    old = {record.cell: record for record in before if record.samples and record.outcome == "ok"}
    new = {record.cell: record for record in after if record.samples and record.outcome == "ok"}
    pairs = [(old[cell], new[cell]) for cell in old if cell in new]
    lone_old, lone_new = (
        _single(old[c] for c in old.keys() - new.keys()),
        _single(new[c] for c in new.keys() - old.keys()),
    )
    pairs += [(lone_old[key], lone_new[key]) for key in lone_old if key in lone_new]
    if not pairs:
        raise UserError("nothing to compare: no model and variant was measured in both sweeps")
    for a, b in pairs:
        if (differing := _differences(a, b)) and not force:
            raise UserError(
                f"{a.model} {a.variant} cannot be compared: {'; '.join(differing)}; FORCE=1 compares all the same"
            )
    return pairs


def _single(records: Iterable[Record]) -> dict[tuple[str, str], Record]:
    """Records by model and variant, for those that have only one record."""
    found: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        found.setdefault((record.model, record.variant), []).append(record)
    return {key: of_key[0] for key, of_key in found.items() if len(of_key) == 1}


def _differences(a: Record, b: Record) -> list[str]:
    """Phrases that say what makes two records incomparable. Something unknown on one side counts as a difference."""
    sizes_a, sizes_b = a.workload["sizes"], b.workload["sizes"]
    sides = [(f"model.{key}", sizes_a.get(key), sizes_b.get(key)) for key in sizes_a | sizes_b]
    sides += [(key, a.workload[key], b.workload[key]) for key in ("precision", "seed", "gradients")]
    sides += [("device", a.device, b.device), ("threads", a.threads, b.threads), ("memory", a.memory, b.memory)]
    sides += [(f"choices.{key}", value, b.choices[key]) for key, value in a.choices.items()]
    keys = a.machine | b.machine
    sides += [(f"machine.{key}", a.machine.get(key, "not known"), b.machine.get(key, "not known")) for key in keys]
    return [_differs(*side) for side in sides if side[1] != side[2]]


def _differs(name: str, in_a: object, in_b: object) -> str:
    return f"{name} is {in_a} in A and {in_b} in B"


def remarks(pairs: Iterable[tuple[Record, Record]]) -> list[str]:
    """Differences that do not prevent the comparison, each once: a changed environment may be the point of it."""
    found: dict[str, None] = {}
    for a, b in pairs:
        environment = (_differs(*side) for side in differences(a.environment, b.environment))
        found |= dict.fromkeys([*_differences(a, b), *environment])
    return list(found)


def compare(a: Record, b: Record, calibration: Calibration) -> CellComparison:
    """Compare B with A, quantity by quantity. They ran in different processes, so each has an offset of its own."""
    quantities = {}
    spread = calibration.of(a)
    for quantity in QUANTITIES:
        old, new = _estimates(a, quantity), _estimates(b, quantity)
        trials = min(len(old), len(new))
        differences = [new[i].centre - old[i].centre for i in range(trials)]
        errors = [math.hypot(new[i].se, old[i].se) for i in range(trials)]
        quantities[quantity] = compared(differences, errors, math.sqrt(2) * spread.sigma[quantity], d0=spread.df)
    return CellComparison(f"{a.model} {a.variant}", quantities)


def _estimates(record: Record, quantity: str) -> list[stats.Estimate]:
    """One estimate per trial, in natural logarithms."""
    return [
        stats.within(
            stats.log_ratio(trial["seconds"]["backward"], trial["seconds"]["forward"])
            if quantity == "ratio"
            else stats.log_times(trial["seconds"][quantity])
        )
        for trial in record.samples
    ]


def lines(comparisons: Sequence[CellComparison]) -> list[str]:
    """One line per cell and quantity, then the geometric means."""
    found = []
    for comparison in comparisons:
        for quantity, judged in comparison.quantities.items():
            change = judged.change
            bounds = "" if math.isnan(change.low) else f" [{change.low - 1:+.1%}, {change.high - 1:+.1%}]"
            found.append(f"{comparison.name:<28} {quantity:<9} {judged.answer:<12} {change.centre - 1:+.1%}{bounds}")
    for quantity in QUANTITIES:
        changes = [comparison.quantities[quantity].change.centre for comparison in comparisons]
        mean = statistics.geometric_mean(changes)
        found.append(f"{'geometric mean':<28} {quantity:<9} {'':<12} {mean - 1:+.1%} over {len(changes)} cells")
    return found


def exit_code(comparisons: Sequence[CellComparison]) -> int:
    """1 if forward or backward is slower in any cell, otherwise 0."""
    timed = ("forward", "backward")
    return int(any(c.quantities[quantity].answer is Answer.SLOWER for c in comparisons for quantity in timed))
