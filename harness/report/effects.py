"""What a choice does: step time, memory and ratio with it and without it, all else being the same."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from adapters.choices import DEFAULT

from ..measure.stats import Interval
from ..records.record import Record
from ..views.labels import Facts, written
from .findings import Findings
from .forest import Row, forest
from .section import MOST_LISTED, MOST_ROWS, Figure, Grid, Section
from .steps import memory_mib, relative, step_ms
from .style import colour, symbol

_READING = (
    "Each mark is the time of a training step with the choice divided by that without it, and the line through it is "
    "the 95 % interval. 1 is no effect, and a hollow mark has no interval. The changes of time and of memory are at "
    "the right."
)
_SETTINGS = ("precision", "gradients", "frozen", "memory")
_SAID = 6  # effects that a sentence is written on


@dataclass(frozen=True)
class Effect:
    """Two records that differ in one choice alone.

    Attributes:
        choice: what was chosen, and instead of what: `residuals=blocks instead of store`.
        number: the record with it.
        base: the record without it.
        times: how many times as long a step takes.
        memory: how many times as much memory; None if that is not known.
    """

    choice: str
    number: int
    base: int
    times: Interval
    memory: float | None

    @property
    def is_conclusive(self) -> bool:
        """Return True if the step surely takes longer or shorter."""
        return self.times.low > 1 or self.times.high < 1

    @property
    def in_vain(self) -> bool:
        """Return True if the step surely takes longer, and needs no less memory: a checkpoint that saves nothing."""
        return self.times.low > 1 and self.memory is not None and self.memory >= 1


def section(findings: Findings) -> Section | None:
    """Compare every record that departs in one choice with the one that does not."""
    effects = sorted(_effects(findings), key=lambda effect: not effect.is_conclusive)
    if not effects:
        return None
    groups: dict[str, list[Row]] = {}
    for effect in effects[:MOST_ROWS]:
        groups.setdefault(effect.choice, []).append(_row(findings, effect))
    plot = forest(groups, "step time with / without", 1.0, 86)
    says = [_said(findings, effect) for effect in effects[:_SAID]]
    if len(effects) > _SAID:
        says.append(f"{len(effects) - _SAID} more are in the table.")
    figure = Figure("Effect of each choice on a training step", _grid(findings, effects), plot, _READING)
    return Section("choices", "What the choices do", says, [figure])


def _effects(findings: Findings) -> list[Effect]:
    measured = [i for i, record in enumerate(findings.records) if step_ms(record)]
    facts = {i: _facts(findings.records[i]) for i in measured}
    names = [
        n for n in dict.fromkeys(n for f in facts.values() for n in f) if len({f.get(n) for f in facts.values()}) > 1
    ]
    defaults = {name: str(value) for name, value in asdict(DEFAULT).items()} | {"frozen": "null"}
    effects = []
    for name in names:
        alike: dict[Any, list[int]] = {}
        for i in measured:
            rest = tuple(sorted((key, value) for key, value in facts[i].items() if key != name))
            alike.setdefault((_cell(findings.records[i]), rest), []).append(i)
        for numbers in alike.values():
            base = next((i for i in numbers if facts[i].get(name) == defaults.get(name)), numbers[0])
            effects += [_effect(findings, name, i, base, facts) for i in numbers if i != base]
    return effects


def _facts(record: Record) -> dict[str, str]:
    """What may be chosen without changing a size: choices, settings, and sizes that are no numbers."""
    sizes = {key: value for key, value in record.workload["sizes"].items() if isinstance(value, bool | str)}
    settings = Facts.of(record).settings
    chosen = record.choices | {name: settings.get(name, "null") for name in _SETTINGS} | sizes
    return {key: str(value) for key, value in chosen.items() if key != "op"}


def _cell(record: Record) -> tuple[Any, ...]:
    """What two records must have in common besides: model, numeric sizes, machine, framework, execution."""
    sizes = {
        key: value
        for key, value in record.workload["sizes"].items()
        if key == "op" or not isinstance(value, bool | str)
    }
    where = record.device, record.threads, str(record.machine.get("cpu")), str(record.machine.get("gpus"))
    return record.model, str(sizes), *where, record.framework, record.execution


def _effect(findings: Findings, name: str, number: int, base: int, facts: Mapping[int, Mapping[str, str]]) -> Effect:
    after, before = findings.records[number], findings.records[base]
    memory = memory_mib(after), memory_mib(before)
    change = memory[0] / memory[1] if memory[0] is not None and memory[1] else None
    choice = f"{written({name: facts[number].get(name)})[0]} instead of {facts[base].get(name)}"
    return Effect(choice, number, base, relative(findings, after, before), change)


def _percent(times: float) -> str:
    return f"{times - 1:+.0%}".replace("-", "\N{MINUS SIGN}")


def _said(findings: Findings, effect: Effect) -> str:
    """`torch eager, residuals=blocks instead of store: +24 % time (+20 % to +28 %), -61 % memory.`"""
    record = findings.records[effect.number]
    said = (
        f"{record.model} {record.framework} {record.execution}, {effect.choice}: {_percent(effect.times.centre)} time"
    )
    ends = "no interval"
    if not math.isnan(effect.times.low):
        ends = f"{_percent(effect.times.low)} to {_percent(effect.times.high)}"
    said += f" ({ends}{'' if effect.is_conclusive else ', so it may be no change'})"
    said += "" if effect.memory is None else f", {_percent(effect.memory)} memory"
    return said + (": slower, and no smaller." if effect.in_vain else ".")


def _row(findings: Findings, effect: Effect) -> Row:
    record, times = findings.records[effect.number], effect.times
    low, high = (times.centre if math.isnan(end) else end for end in (times.low, times.high))
    text = f"{_percent(times.centre)} time"
    text += "" if effect.memory is None else f"<br>{_percent(effect.memory)} MiB"
    name = f"{record.framework} {record.execution}"
    label = name if findings.workloads[effect.number] == record.model else f"{findings.workloads[effect.number]} {name}"
    return Row(
        label,
        times.centre,
        low,
        high,
        text,
        colour(record.framework),
        symbol(record, not math.isnan(times.low)),
        _said(findings, effect),
    )


def _grid(findings: Findings, effects: Sequence[Effect]) -> Grid:
    rows = []
    for effect in effects[:MOST_LISTED]:
        after, before = findings.records[effect.number], findings.records[effect.base]
        ends = [effect.times.low, effect.times.high]
        interval = "" if any(map(math.isnan, ends)) else " to ".join(map(_percent, ends))
        ratios = [f"{r.metrics['ratio']:.2f}" if "ratio" in r.metrics else "" for r in (before, after)]
        memory = "" if effect.memory is None else _percent(effect.memory)
        rows.append(
            [effect.choice, findings.full_name(effect.base), _percent(effect.times.centre), interval, memory, *ratios]
        )
    columns = ["choice", "compared with", "step time", "95 % interval", "memory", "ratio without", "ratio with"]
    return Grid(columns, rows, len(effects))
