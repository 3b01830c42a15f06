"""Groups the records of a sweep into lines along an axis: a size, or the threads, that has several values."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from ..records.record import Record
from .findings import Findings
from .steps import step_ms
from .style import colour

MOST = 16  # lines of a plot; beyond that, they are medians over what else was varied
_DASHES = ("solid", "dash", "dot", "dashdot")


@dataclass(frozen=True)
class Point:
    """The ratio at a place on the axis, with its ends, and the milliseconds of a step; None for what is not told."""

    place: float
    ratio: tuple[float, float, float] | None  # low, centre, high
    step_ms: float | None


@dataclass(frozen=True)
class Line:
    """Points along which only the axis changes, in its order, and how they are drawn."""

    name: str
    colour: str
    dash: str
    points: Sequence[Point]


def axes(records: Sequence[Record]) -> list[str]:
    """List the numeric sizes, and threads, that have several values."""
    names = dict.fromkeys(name for record in records for name in record.workload["sizes"])
    return [name for name in (*names, "threads") if len({value(record, name) for record in records} - {None}) > 1]


def value(record: Record, axis: str) -> float | None:
    """Return the record's place on an axis; None if it is no number."""
    size = record.threads if axis == "threads" else record.workload["sizes"].get(axis)
    return size if isinstance(size, int | float) and not isinstance(size, bool) else None


def lines(findings: Findings, axis: str, numbers: Sequence[int]) -> list[Line]:
    """Make a line of each variant, for each combination of what else tells workloads apart."""
    groups: dict[tuple[str, str], dict[int, float]] = {}
    for i in numbers:
        place = value(findings.records[i], axis)
        if place is not None:
            groups.setdefault((findings.variants[i], _rest(findings.workloads[i], axis)), {})[i] = place
    groups = {key: places for key, places in groups.items() if len(set(places.values())) > 1}
    rests = list(dict.fromkeys(rest for _, rest in groups))
    made = []
    for (variant, rest), places in groups.items():
        points = [_point(findings, i, places[i]) for i in sorted(places, key=lambda i: places[i])]
        name = f"{variant} {rest}" if len(rests) > 1 else variant
        framework = findings.records[next(iter(places))].framework
        made.append(Line(name, colour(framework), _DASHES[rests.index(rest) % len(_DASHES)], points))
    return made


def medians(findings: Findings, axis: str, numbers: Sequence[int]) -> list[Line]:
    """Make a line of each variant: medians over all else that was varied, with the ends of their middle halves."""
    groups: dict[str, dict[float, list[int]]] = {}
    for i in numbers:
        place = value(findings.records[i], axis)
        if place is not None:
            groups.setdefault(findings.variants[i], {}).setdefault(place, []).append(i)
    made = []
    for variant, places in list(groups.items())[:MOST]:
        points = [_middle([_point(findings, i, place) for i in places[place]]) for place in sorted(places)]
        framework = findings.records[next(iter(places.values()))[0]].framework
        made.append(Line(variant, colour(framework), "solid", points))
    return made


def _rest(workload: str, axis: str) -> str:
    """The name of a workload without its model and what it has on the axis."""
    return " ".join(word for word in workload.split()[1:] if not word.startswith(f"{axis}="))


def _point(findings: Findings, number: int, place: float) -> Point:
    record = findings.records[number]
    m = record.metrics
    is_conclusive = number in findings.conclusive_set
    return Point(place, (m["ratio_low"], m["ratio"], m["ratio_high"]) if is_conclusive else None, step_ms(record))


def _middle(points: Sequence[Point]) -> Point:
    """The medians of points at one place, and the quartiles of their ratios."""
    ratios = [point.ratio[1] for point in points if point.ratio]
    steps = [point.step_ms for point in points if point.step_ms is not None]
    low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else (ratios or [0.0]) * 3
    step = statistics.median(steps) if steps else None
    return Point(points[0].place, (low, middle, high) if ratios else None, step)
