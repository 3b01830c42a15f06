"""Joules of each phase, in a real worker of the fake framework on a device that draws 100 W all the time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import pytest

from adapters.base import PHASES
from harness.measure import energy as module
from harness.measure.energy import Energy, energy
from harness.measure.machine.energy import Counter, NoCounter
from tests.helpers.undisturbed import undisturbed
from tests.measure.conftest import Start

WATTS = 100.0
# As `tests/fakes/adapters/fake.py` sleeps.
SECONDS = {"inference": 0.003, "forward": 0.004, "backward": 0.010, "gradient": 0.012}


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], list[float]]], None]:
    """`counter(read)`: the device has this counter."""
    monkeypatch.setattr(module, "LOOP_S", 0.3)

    def make(read: Callable[[], list[float]]) -> None:
        monkeypatch.setattr(module, "counter_of", lambda device: Counter("a fake", read, [math.inf]))

    return make


def test_each_phase_has_its_own_joules_and_backward_is_told_apart_from_the_forward_that_it_needs(
    start: Start, counter: Callable[[Callable[[], list[float]]], None]
) -> None:
    counter(lambda: [WATTS * time.monotonic()])
    worker = start.loaded("plain")

    def check() -> Energy:
        measured = energy(worker, PHASES, "cuda", 60)
        for phase, seconds in SECONDS.items():
            assert measured.joules[phase] == pytest.approx(WATTS * seconds, rel=0.35), phase
        return measured

    measured = undisturbed(check)
    assert (measured.counter, measured.reason) == ("a fake", "")
    assert list(measured.joules) == list(PHASES)


def test_a_loop_lasts_as_long_as_it_is_asked_for_and_counts_its_calls(start: Start) -> None:
    worker = start.loaded("plain")
    begun = time.monotonic()
    calls = worker.loop(60, ["forward", "backward"], 0.3)
    assert time.monotonic() - begun >= 0.3
    assert 5 <= calls <= 0.3 / 0.014 + 1


def test_a_counter_that_fails_between_two_readings_costs_the_joules_only(
    start: Start, counter: Callable[[Callable[[], list[float]]], None]
) -> None:
    readings = iter([[1.0]])

    def read() -> list[float]:
        try:
            return next(readings)
        except StopIteration:
            raise NoCounter("it is gone") from None

    counter(read)
    worker = start.loaded("plain")
    assert energy(worker, PHASES, "cuda", 60) == Energy(reason="it is gone")
    assert worker.measure(60, 1, 1).wall
