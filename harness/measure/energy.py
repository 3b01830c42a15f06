"""Measures the energy of each phase: a loop of calls in the worker, between two readings of the device's counter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .clock import groups
from .machine.energy import Counter, NoCounter, counter_of
from .worker import Worker

LOOP_S = 2.0  # of each loop, at least: counters move in steps of up to a tenth of a second


@dataclass(frozen=True)
class Energy:
    """Joules per call of each phase, with what idles on the device, and their counter; or a sentence on why not."""

    joules: dict[str, float] = field(default_factory=dict)
    counter: str = ""
    reason: str = ""


def energy(worker: Worker, phases: Sequence[str], device: str, deadline_s: float) -> Energy:
    """Measure the joules of each phase.

    A phase that uses another's result, as backward does, is measured together with it, less that one alone.
    Raises Failure if the worker does not answer by the deadline.
    """
    try:
        counter = counter_of(device)
        joules: dict[str, float] = {}
        for first, *following in groups(phases):
            joules[first] = _per_call(worker, counter, [first], deadline_s)
            for phase in following:
                joules[phase] = _per_call(worker, counter, [first, phase], deadline_s) - joules[first]
    except NoCounter as absent:
        return Energy(reason=str(absent))
    return Energy(joules, counter.name)


def _per_call(worker: Worker, counter: Counter, chain: Sequence[str], deadline_s: float) -> float:
    """Measure the joules of calling phases in turn. Raises Failure, and NoCounter."""
    before = counter.read()
    calls = worker.loop(deadline_s, chain, LOOP_S)
    return counter.spent(before, counter.read()) / calls
