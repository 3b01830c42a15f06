"""Two sweeps, cell by cell: times are faster, slower or the same, ratios higher or lower, or nobody can tell."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import UserError
from ..measure import stats
from ..measure.comparison import Answer, Comparison, compared
from ..measure.machine.environment import differences
from ..records.calibration import Calibration
from ..records.record import Record
from .labels import labels
from .plural import plural
from .table import variant

QUANTITIES = {"forward": "forward", "backward": "backward", "gradient": "step", "ratio": "ratio"}  # with their names
_OF_A_RATIO = {Answer.SLOWER: "higher", Answer.FASTER: "lower"}  # a ratio is no time

_DIGESTS = {"work": "the digest of the work", "code": "the digest of the code that runs it"}
MEMORY_MARGIN = 0.001  # relative difference of memory that is told


@dataclass(frozen=True)
class CellComparison:
    """One cell measured in two sweeps: its name, the comparison of each quantity, and the memory that forward keeps.

    `kept_mib` is that of A and of B, None if one is not known.
    """

    name: str
    quantities: dict[str, Comparison]
    kept_mib: tuple[float, float] | None = None


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
    """Everything that is known to differ, each once: what does not prevent the comparison may be the point of it."""
    found: dict[str, None] = {}
    for a, b in pairs:
        environment = (_differs(*side) for side in differences(a.environment, b.environment))
        found |= dict.fromkeys([*_differences(a, b), *environment, *_provenance(a, b)])
    return list(found)


def _provenance(a: Record, b: Record) -> list[str]:
    """Phrases on the settings, versions and commit that differ, what the framework says of itself included."""
    sides: list[tuple[str, object, object]] = []
    installed = a.versions | b.versions
    in_force = [{k: v for k, v in record.described.items() if k not in installed} for record in (a, b)]
    groups: list[tuple[str, Mapping[str, Any], Mapping[str, Any]]] = [
        ("measure.", a.measure, b.measure),
        ("", a.versions, b.versions),
        (f"{a.framework}'s ", in_force[0], in_force[1]),
        ("twofold's ", a.harness, b.harness),
    ]
    for prefix, in_a, in_b in groups:
        keys = dict.fromkeys([*in_a, *in_b])
        sides += [(prefix + _DIGESTS.get(k, k), in_a.get(k, "not known"), in_b.get(k, "not known")) for k in keys]
    return [_differs(*side) for side in sides if side[1] != side[2]]


def compare_all(pairs: Sequence[tuple[Record, Record]], calibration: Calibration) -> list[CellComparison]:
    """Compare every pair; the names of cells have what tells their workloads apart."""
    workloads = labels(a for a, _ in pairs)
    return [compare(a, b, calibration, label) for (a, b), label in zip(pairs, workloads, strict=True)]


def compare(a: Record, b: Record, calibration: Calibration, workload: str = "") -> CellComparison:
    """Compare B with A, quantity by quantity. They ran in different processes, so each has an offset of its own."""
    quantities = {}
    spread = calibration.of(a)
    for quantity in _timed(a, b):
        old, new = _estimates(a, quantity), _estimates(b, quantity)
        trials = min(len(old), len(new))
        differences = [new[i].centre - old[i].centre for i in range(trials)]
        errors = [math.hypot(new[i].se, old[i].se) for i in range(trials)]
        quantities[quantity] = compared(differences, errors, math.sqrt(2) * spread.sigma[quantity], d0=spread.df)
    kept_mib = (a.metrics.get("residual_mib"), b.metrics.get("residual_mib"))
    known = None if kept_mib[0] is None or kept_mib[1] is None else (kept_mib[0], kept_mib[1])
    return CellComparison(f"{workload or a.model} {variant(a)}", quantities, known)


def _timed(a: Record, b: Record) -> list[str]:
    """List the quantities that were timed on both sides."""
    phases = [trial["seconds"] for record in (a, b) for trial in record.samples]
    return [quantity for quantity in QUANTITIES if quantity == "ratio" or all(quantity in names for names in phases)]


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
    """One line per cell and quantity, then the geometric means over cells, and what to do if much cannot be told."""
    width = max((len(comparison.name) for comparison in comparisons), default=0)
    found = []
    for comparison in comparisons:
        for quantity, judged in comparison.quantities.items():
            change = judged.change
            told = f"{change.centre - 1:+.1%} [{change.low - 1:+.1%}, {change.high - 1:+.1%}]"
            words = f"{QUANTITIES[quantity]:<8}  {_word(quantity, judged.answer):<11}"
            found.append(f"{comparison.name:<{width}}  {words}  {told if _is_told(judged) else 'too few pairs'}")
        found += _memory(comparison, width)
    for quantity, name in QUANTITIES.items() if len(comparisons) > 1 else ():
        compared_in = [c.quantities[quantity] for c in comparisons if quantity in c.quantities]
        if changes := [judged.change.centre for judged in compared_in if _is_told(judged)]:
            mean = statistics.geometric_mean(changes) - 1
            found.append(
                f"{'geometric mean':<{width}}  {name:<8}  {'':<11}  {mean:+.1%} over {plural(len(changes), 'cell')}"
            )
    if any(judged.answer is Answer.CANNOT_TELL for c in comparisons for judged in c.quantities.values()):
        found.append("what cannot be told: measure=standard, and make selfcheck before it, narrow the intervals")
    return found


def _is_told(judged: Comparison) -> bool:
    """Return True if there were enough pairs for an interval."""
    return not math.isnan(judged.change.low)


def _word(quantity: str, answer: Answer) -> str:
    return _OF_A_RATIO.get(answer, answer) if quantity == "ratio" else answer


def _memory(comparison: CellComparison, width: int) -> list[str]:
    """Write a line on the memory that forward keeps, if it differs: it is counted, and has no interval."""
    old, new = comparison.kept_mib or (0.0, 0.0)
    if abs(new - old) <= MEMORY_MARGIN * max(old, new):
        return []
    change = f"{new / old - 1:+.1%} " if old else ""
    words = f"{'kept':<8}  {'more' if new > old else 'less':<11}"
    return [f"{comparison.name:<{width}}  {words}  {change}({old:.3g} to {new:.3g} MiB)"]


def exit_code(comparisons: Sequence[CellComparison]) -> int:
    """1 if forward or backward is slower in any cell, otherwise 0."""
    timed = ("forward", "backward")
    return int(any(c.quantities[quantity].answer is Answer.SLOWER for c in comparisons for quantity in timed))
