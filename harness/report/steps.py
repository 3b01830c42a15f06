"""Which trains this fastest? The training step (`gradient`) of every variant relative to the best, and its memory."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..measure.stats import Interval
from ..records.record import Record
from ..views.compare import compare
from ..views.plural import enumerated
from .findings import Findings
from .forest import Row, forest
from .section import MOST_ROWS, Figure, Grid, Section, short
from .spread import spread
from .style import colour, symbol

_AXIS = "step time / that of the fastest"
_READING = (
    "1 is the fastest of a workload; the line is the 95 % interval of the quotient, and a hollow mark has none. At the "
    "right stand milliseconds a step and what is kept in memory between the passes (on a GPU, the most that is in "
    "use). A step is loss and all gradients in one call, without the optimizer's update."
)
_NAMED = 4  # variants that a sentence names


@dataclass(frozen=True)
class TrainingStep:
    """The training step of one record, by number: milliseconds, and how many times as long as the fastest it takes."""

    number: int
    ms: float
    times: Interval

    @property
    def equal(self) -> bool:
        """Return True if it has an interval, and that does not exclude a step as long as the fastest one."""
        return self.times.low <= 1


def section(findings: Findings) -> Section | None:
    """Compare the variants of each workload with its fastest one."""
    steps = _steps(findings)
    if not steps:
        return None
    count = sum(map(len, steps.values()))
    figure = _each(findings, steps) if count <= MOST_ROWS else _spreads(findings, steps)
    return Section("fastest", "Which trains this fastest?", _says(findings, steps), [figure])


def step_ms(record: Record) -> float | None:
    """Return the milliseconds of a training step; None if it was not measured."""
    gradient = record.phases.get("gradient")
    return gradient.ms if record.outcome == "ok" and gradient else None


def memory_mib(record: Record) -> float | None:
    """Return the most memory in use at once in a step, or else what forward keeps for backward."""
    gradient = record.phases.get("gradient")
    peak = gradient.peak_mib if gradient else None
    return record.metrics.get("residual_mib") if peak is None else peak


def relative(findings: Findings, record: Record, to: Record) -> Interval:
    """Return how many times as long a record's step takes as another's; the ends are nan if that cannot be told."""
    if record.samples and to.samples:
        comparison = compare(to, record, findings.calibration).quantities.get("gradient")
        if comparison:
            return comparison.change
    times = (step_ms(record) or math.nan) / (step_ms(to) or math.nan)
    return Interval(times, math.nan, math.nan, "nothing: there are no samples")


def _steps(findings: Findings) -> dict[str, list[TrainingStep]]:
    """The steps of each workload that has several, the fastest first."""
    groups: dict[str, list[TrainingStep]] = {}
    measured = [i for i, record in enumerate(findings.records) if step_ms(record)]
    for workload, numbers in findings.by_workload(measured).items():
        if len(numbers) < 2:
            continue
        by_ms = sorted((step_ms(findings.records[i]) or math.inf, i) for i in numbers)
        best = findings.records[by_ms[0][1]]
        first, *rest = by_ms
        steps = [TrainingStep(first[1], first[0], Interval(1.0, 1.0, 1.0, "itself"))]
        steps += [TrainingStep(i, ms, relative(findings, findings.records[i], best)) for ms, i in rest]
        groups[workload] = steps
    return groups


def _says(findings: Findings, steps: Mapping[str, Sequence[TrainingStep]]) -> list[str]:
    """Name the fastest of each workload, or how often each variant is if there are many workloads."""
    if len(steps) > _NAMED:
        wins: dict[str, int] = {}
        for first, *_ in steps.values():
            wins[findings.variants[first.number]] = wins.get(findings.variants[first.number], 0) + 1
        counts = [f"{name} in {wins[name]}" for name in sorted(wins, key=lambda name: -wins[name])]
        return [f"Fastest by workload, of {len(steps)}: {enumerated(counts, _NAMED)}."]
    says = []
    for workload, (first, *rest) in steps.items():
        equal = [findings.variants[step.number] for step in rest if step.equal]
        said = f"{workload}: {findings.variants[first.number]} has the fastest step, {short(first.ms)} ms"
        if equal:
            said += f"; {enumerated(equal, _NAMED)} cannot be told apart from it"
        says.append(f"{said}.")
    return says


def _each(findings: Findings, steps: Mapping[str, Sequence[TrainingStep]]) -> Figure:
    groups = {workload: [_row(findings, step) for step in of_workload] for workload, of_workload in steps.items()}
    return Figure("Training step of every cell", _grid(findings, steps), forest(groups, _AXIS, 1.0, 74), _READING)


def _row(findings: Findings, step: TrainingStep) -> Row:
    record, times = findings.records[step.number], step.times
    low, high = (times.centre if math.isnan(end) else end for end in (times.low, times.high))
    memory = memory_mib(record)
    text = f"{short(step.ms)} ms" + ("" if memory is None else f"<br>{short(memory)} MiB")
    hover = f"{findings.full_name(step.number)}<br>{_times(step)} the fastest<br>{text}"
    name = findings.variants[step.number]
    return Row(
        name, times.centre, low, high, text, colour(record.framework), symbol(record, not math.isnan(times.low)), hover
    )


def _times(step: TrainingStep) -> str:
    """`1.21 times (1.05 to 1.39)`."""
    times = step.times
    ends = "" if math.isnan(times.low) or times.low == times.high else f" ({times.low:.2f} to {times.high:.2f})"
    return f"{times.centre:.2f} times{ends}"


def _spreads(findings: Findings, steps: Mapping[str, Sequence[TrainingStep]]) -> Figure:
    by_variant: dict[str, list[float]] = {}
    frameworks: dict[str, str] = {}
    for of_workload in steps.values():
        for step in of_workload:
            name = findings.variants[step.number]
            by_variant.setdefault(name, []).append(step.times.centre)
            frameworks[name] = findings.records[step.number].framework
    plot = spread(by_variant, {name: colour(frameworks[name]) for name in by_variant}, _AXIS, 1.0)
    means = {name: statistics.geometric_mean(times) for name, times in by_variant.items()}
    best = min(means, key=lambda name: means[name])
    reading = (
        f"A box holds the middle half of a variant's workloads, its line the median. Over all, {best} is nearest to "
        f"the fastest: its geometric mean is {means[best]:.2f}."
    )
    return Figure("Training steps of each variant over all workloads", _grid(findings, steps), plot, reading)


def _grid(findings: Findings, steps: Mapping[str, Sequence[TrainingStep]]) -> Grid:
    rows = []
    for workload, of_workload in steps.items():
        for step in of_workload:
            record, times = findings.records[step.number], step.times
            update = record.phases["update"].ms if "update" in record.phases else None
            ends = "" if math.isnan(times.low) or times.low == times.high else f"{times.low:.2f} to {times.high:.2f}"
            memory = [record.metrics.get("residual_mib"), record.phases["gradient"].peak_mib]
            rows.append(
                [workload, findings.variants[step.number], short(step.ms), f"{times.centre:.2f}", ends]
                + ["" if number is None else short(number) for number in (update, *memory)]
            )
    columns = ["workload", "variant", "step ms", "relative to the fastest", "95 % interval", "update ms"]
    return _without_empty(Grid([*columns, "kept MiB", "peak MiB"], rows))


def _without_empty(grid: Grid) -> Grid:
    """Leave out columns that have no entry."""
    used = [i for i in range(len(grid.columns)) if any(row[i] for row in grid.rows)]
    return Grid([grid.columns[i] for i in used], [[row[i] for i in used] for row in grid.rows])
