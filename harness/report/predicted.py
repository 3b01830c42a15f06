"""Can it be predicted? The ratio and times that counts and this machine's ceilings gave, against the measured ones."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from ..views.plural import plural
from .counts import measured_against
from .findings import Findings
from .section import MOST_LISTED, Figure, Grid, Section

_READING = (
    "Each prediction was made before its cell was measured, from counted FLOPs and bytes and what other sizes of the "
    "same ops reach alone on this machine. On the dotted line it comes true."
)
_PASSES = ("forward", "backward")


def section(findings: Findings) -> Section | None:
    """Show every ratio that can be told and was predicted."""
    numbers = [i for i in findings.conclusive if "predicted_ratio_error" in findings.records[i].metrics]
    if not numbers:
        return None
    errors = [findings.records[i].metrics["predicted_ratio_error"] for i in numbers]
    within = [sum(abs(error) <= limit for error in errors) for limit in (0.10, 0.25)]
    middles = {name: _middle(findings, numbers, name) for name in ("ratio", *_PASSES)}
    worst = max(numbers, key=lambda i: abs(findings.records[i].metrics["predicted_ratio_error"]))
    off = findings.records[worst].metrics["predicted_ratio_error"]
    says = [
        f"Of {plural(len(numbers), 'predicted ratio')}, {within[0]} came within 10 % of the measured one and "
        f"{within[1]} within 25 %; the median error is {100 * middles['ratio']:.0f} %, of forward's time "
        f"{100 * middles['forward']:.0f} % and of backward's {100 * middles['backward']:.0f} %.",
        f"Furthest off is {findings.full_name(worst)}, by {100 * off:+.0f} %.",
    ]
    plot = measured_against(findings, numbers, "predicted_ratio", "predicted ratio")
    figure = Figure("Measured ratio against predicted ratio", _grid(findings, numbers), plot, _READING)
    return Section("predicted", "Measured against predicted", says, [figure])


def _middle(findings: Findings, numbers: Sequence[int], name: str) -> float:
    """The median size of a relative error."""
    return statistics.median(abs(findings.records[i].metrics[f"predicted_{name}_error"]) for i in numbers)


def _grid(findings: Findings, numbers: Sequence[int]) -> Grid:
    rows = []
    for i in numbers[:MOST_LISTED]:
        metrics, phases = findings.records[i].metrics, findings.records[i].phases
        row = [findings.workloads[i], findings.variants[i], f"{metrics['ratio']:.2f}"]
        row += [f"{metrics['predicted_ratio']:.2f}", f"{metrics['predicted_ratio_error']:+.0%}"]
        for name in _PASSES:
            row += [f"{phases[name].ms:.3g}", f"{1e3 * metrics[f'predicted_{name}_s']:.3g}"]
            row.append(f"{metrics[f'predicted_{name}_error']:+.0%}")
        rows.append(row)
    columns = ["workload", "variant", "ratio", "predicted", "error"]
    columns += [f"{name} {what}" for name in _PASSES for what in ("ms", "predicted", "error")]
    return Grid(columns, rows, len(numbers))
