"""What a measurement says of each cycle beside its times: CPU seconds, context switches, and what the machine did."""

from __future__ import annotations

import resource
from types import SimpleNamespace
from typing import Any

import pytest

from harness.measure import clock
from harness.measure.clock import Samples, measure

# By how much each counter of the machine rises in the n-th cycle is n times this.
RISES = {"ru_utime": 0.5, "ru_stime": 0.25, "ru_nivcsw": 3, "ru_nvcsw": 1000, "busy": 2.0}


class Program:
    """Adapter and program at once, of phases that take no time; its inference moves the machine's counters."""

    phases = ("inference", "forward", "backward", "gradient")

    def __init__(self) -> None:
        self.cycles = 0
        self.counters = dict.fromkeys(RISES, 0.0)

    def inference(self) -> float:
        self.cycles += 1
        for name, rise in RISES.items():
            self.counters[name] += self.cycles * rise
        return 0.0

    def forward(self) -> Any:
        return 0.0, None

    def backward(self, kept: Any) -> Any:
        return {}

    def gradient(self) -> Any:
        return 0.0, {}

    def wait(self, value: Any) -> None:
        pass


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Program:
    made = Program()
    monkeypatch.setattr(clock, "busy_s", lambda: made.counters["busy"])
    monkeypatch.setattr(resource, "getrusage", lambda who: SimpleNamespace(**made.counters))
    monkeypatch.setattr(clock, "look", lambda: {"load": float(made.cycles), "steal_s": made.counters["busy"] / 10})
    return made


def measured(program: Program, cycles: int) -> Samples:
    both: Any = program
    return measure(both, both, cycles=cycles, repeat=1)


def test_each_cycle_has_what_the_counters_rose_by_in_it(program: Program) -> None:
    samples = measured(program, cycles=2)
    samples.extend(measured(program, cycles=1))
    assert samples.cpu == [0.75, 1.5, 2.25], "user and system time"
    assert samples.others == [1.25, 2.5, 3.75], "all that the CPUs did, without what the program did"
    assert samples.switches == [3, 6, 9], "involuntary ones"


def test_each_visit_has_what_the_machine_did_in_it(program: Program) -> None:
    samples = measured(program, cycles=2)
    samples.extend(measured(program, cycles=1))
    assert samples.surroundings == {"load": [2.0, 3.0], "steal_s": [pytest.approx(0.6), pytest.approx(0.6)]}
