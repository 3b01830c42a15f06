"""How long each op takes inside runs of the whole program, under the framework's own profiler: inside the worker."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from adapters.base import Program, Unsupported
from adapters.profiled import Profiled, Times

from .protocol import InPlace


def in_place(program: Program, framework: str, execution: str, passes: int) -> InPlace:
    """The median of each call and direction over that many runs, or the reason why there is none."""
    if not isinstance(program, Profiled):
        return InPlace(reason=f"{framework} {execution} does not show the times of its ops")
    try:
        return InPlace(_medians(program.profiled(passes)))
    except Unsupported as refusal:
        return InPlace(reason=str(refusal))


def _medians(runs: Sequence[Times]) -> dict[str, dict[str, float]]:
    """Medians by number of a call, as text, and by direction, of what every run shows."""
    if not runs:
        return {}
    shown = {number: set.intersection(*(set(run.get(number, ())) for run in runs)) for number in runs[0]}
    return {
        str(number): {name: statistics.median(run[number][name] for run in runs) for name in sorted(names)}
        for number, names in shown.items()
        if names
    }
