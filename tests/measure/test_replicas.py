"""What is measured of several replicas beside their phases."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace
from typing import Any, cast

import pytest

from adapters.numpy import Adapter
from harness.measure import clock
from harness.measure.device_numbers import ask_reduction
from harness.measure.protocol import Failure, Outcome
from harness.measure.rounds import Run
from tests.helpers.numpy_replicas import Replicas


def test_processor_time_of_the_other_processes_is_the_programs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here they spend 5 s between any two looks; what is left for others on the machine is less by as much."""
    program, readings = Replicas(), count(0, 5)
    program.processes = (7, 8)
    asked: list[Any] = []

    def spent_s(processes: tuple[int, ...]) -> float:
        asked.append(processes)
        return float(next(readings))

    monkeypatch.setattr(clock, "spent_s", spent_s)
    samples = clock.measure(Adapter("cpu", 1, "fp32"), program, 2, 1)
    assert set(asked) == {(7, 8)}
    assert all(5 <= own < 6 for own in samples.cpu)
    assert all(others < -4 for others in samples.others)
    assert samples.seconds.keys() == set(program.phases)


def test_a_worker_that_fails_when_asked_for_its_reductions_costs_these_numbers_alone() -> None:
    def fails(deadline_s: float) -> dict[str, float]:
        raise Failure(Outcome.TIMEOUT, "no answer")

    run = cast(Run, SimpleNamespace(worker=SimpleNamespace(reduction=fails)))
    assert ask_reduction(run, 1.0) == {}
    run = cast(Run, SimpleNamespace(worker=SimpleNamespace(reduction=lambda deadline_s: {"reduction": 0.5})))
    assert ask_reduction(run, 1.0) == {"reduction": 0.5}
