"""What is asked about the device after the rounds: real workers of the fake framework, and what a failure costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Never, cast

import pytest

from adapters.base import PHASES
from harness.job import Measure
from harness.measure import device_numbers
from harness.measure.device_numbers import DeviceNumbers, ask_device
from harness.measure.energy import Energy
from harness.measure.memory import HIGH_WATER
from harness.measure.protocol import DeviceClock, Failure, Outcome, PeakMemory
from harness.measure.rounds import Run
from harness.measure.worker import Worker
from harness.paths import ROOT
from tests.measure.conftest import Start

# As `tests/fakes/adapters/fake.py` says.
MEASURE = Measure("test", 1, 0.02, 1.0, 1.0, 60.0)
PEAKS = {"inference": 2**20, "forward": 3 * 2**20, "backward": 5 * 2**20, "gradient": 4 * 2**20}
COUNTED = PeakMemory(PEAKS, "the fake's allocator")


@pytest.fixture
def run(start: Start, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Run]:
    """`run(execution)`: a variant on the fake GPU, whose rounds are over."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests" / "fakes" / "cupti"))

    def make(execution: str) -> Run:
        worker = start()
        worker.open(60, framework="fake", device="cuda", threads=1, precision="fp32")
        worker.load(60, start.folder, execution)
        return Run(worker, repeat=1, cycle_s=0.03)

    return make


def test_memory_and_time_of_each_phase_are_known(run: Callable[[str], Run]) -> None:
    numbers = ask_device(run("plain"), "cuda", MEASURE)
    assert numbers.memory == COUNTED
    assert numbers.clock and numbers.clock.device_s.keys() == set(PHASES)


def test_a_framework_that_cannot_tell_its_memory_leaves_a_reason_and_its_time_is_known(
    run: Callable[[str], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_ALLOCATOR", "broken")
    numbers = ask_device(run("plain"), "cuda", MEASURE)
    assert numbers.memory == PeakMemory(reason="RuntimeError: no statistics")
    assert numbers.clock and numbers.clock.device_s.keys() == set(PHASES)


def test_where_the_framework_does_not_count_its_memory_the_processs_high_water_mark_says_it(start: Start) -> None:
    memory = start.loaded("plain").peak_memory(60)
    assert memory.source == HIGH_WATER and memory.peak_bytes.keys() == set(PHASES)


@pytest.mark.parametrize("execution", ["exits-9", "killed-9"])
def test_a_worker_that_dies_leaves_a_reason_in_place_of_the_numbers_that_it_has_not_told(
    run: Callable[[str], Run], execution: str
) -> None:
    made = run(execution)
    numbers = ask_device(made, "cuda", MEASURE)
    assert numbers.memory == COUNTED
    assert numbers.clock and numbers.clock.device_s == {} and numbers.clock.reason.startswith("crashed: the worker ")
    assert made.failure is None
    again = ask_device(run("exits-2"), "cuda", MEASURE)
    assert again.memory and again.clock and again.memory.reason == again.clock.reason
    assert again.memory.reason.startswith("crashed: ")


def test_it_waits_no_longer_than_its_cycles_can_take() -> None:
    class Patient:
        def peak_memory(self, deadline_s: float) -> Never:
            raise Failure(Outcome.TIMEOUT, f"{deadline_s:.0f} s")

    patient = replace(MEASURE, deadline_s=600.0)
    for cycle_s, said in ((0.02, "timeout: 34 s"), (20.0, "timeout: 600 s")):
        numbers = ask_device(Run(cast(Worker, Patient()), 1, cycle_s), "cuda", patient)
        assert numbers == DeviceNumbers(PeakMemory(reason=said), None, DeviceClock(reason=said))


def test_energy_is_asked_where_it_is_wanted_on_a_cpu_too(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(device_numbers, "energy", lambda worker, phases, name, deadline_s: asked.append((phases, name)))
    run = Run(start.loaded("plain"), 1, 0.03)
    run.samples.seconds = {"forward": [1.0], "backward": [2.0]}
    assert ask_device(run, "cpu", MEASURE).clock is None
    assert not asked
    ask_device(run, "cpu", replace(MEASURE, energy=True))
    assert asked == [(["forward", "backward"], "cpu")]


def test_a_loop_that_fails_costs_the_energy_and_the_clock(
    run: Callable[[str], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Never:
        raise Failure(Outcome.OOM, "out of memory")

    monkeypatch.setattr(device_numbers, "energy", fail)
    numbers = ask_device(run("plain"), "cuda", replace(MEASURE, energy=True))
    assert numbers.memory == COUNTED
    assert numbers.energy == Energy(reason="oom: out of memory")
    assert numbers.clock == DeviceClock(reason="oom: out of memory")
