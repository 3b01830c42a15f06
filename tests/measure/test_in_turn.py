"""Programs in turn: each call once a cycle, all forward passes before the backward ones, which come in reverse."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any, cast

import pytest

from adapters.base import Adapter, Program
from harness.measure import in_turn

PAIR = ("forward", "backward")
SIDE = ("forward_params", "backward_params")


class Calls:
    """An adapter whose programs note their calls; a program named n takes n seconds forward and 10 n backward."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log: list[str] = []
        self.now = 0.0
        monkeypatch.setattr(in_turn, "perf_counter", lambda: self.now)

    def program(self, name: int, phases: tuple[str, ...]) -> Program:
        made: Any = type("Noting", (), {})()
        made.phases = phases
        for phase in phases:
            setattr(made, phase, self._call(name, phase))
        return cast(Program, made)

    def _call(self, name: int, phase: str) -> Callable[..., str]:
        def call(*given: str) -> str:
            assert not gc.isenabled()
            assert given == ((f"kept of {name} by {phase.replace('back', 'for')}",) if "backward" in phase else ())
            self.log.append(f"{phase} {name}")
            self.now += name * (10 if "backward" in phase else 1)
            return f"kept of {name} by {phase}"

        return call

    def wait(self, value: str) -> None:
        self.log.append(f"wait for {value}")
        self.now += 0.5

    def timed(self, programs: list[Program], cycles: int) -> list[in_turn.Seconds]:
        return in_turn.measure_in_turn(cast(Adapter, self), programs, cycles)


def test_backward_passes_come_after_all_forward_passes_and_in_reverse(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls(monkeypatch)
    calls.timed([calls.program(1, PAIR), calls.program(2, PAIR)], 2)
    cycle = ["forward 1", "forward 2", "backward 2", "backward 1"]
    assert [line for line in calls.log if not line.startswith("wait")] == 2 * cycle


def test_a_time_is_that_of_one_call_and_of_waiting_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls(monkeypatch)
    seconds = calls.timed([calls.program(1, PAIR), calls.program(2, PAIR)], 3)
    assert seconds == [{"forward": [1.5] * 3, "backward": [10.5] * 3}, {"forward": [2.5] * 3, "backward": [20.5] * 3}]


def test_programs_take_part_in_the_pairs_that_they_have_one_pair_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = Calls(monkeypatch)
    seconds = calls.timed([calls.program(1, PAIR), calls.program(2, PAIR + SIDE)], 2)
    assert [set(of_phase) for of_phase in seconds] == [set(PAIR), set(PAIR + SIDE)]
    phases = [line.split()[0] for line in calls.log if not line.startswith("wait")]
    assert phases == 2 * ["forward", "forward", "backward", "backward"] + 2 * list(SIDE)
    assert all(len(times) == 2 for of_phase in seconds for times in of_phase.values())


@pytest.mark.parametrize("collecting", [True, False])
def test_garbage_collection_is_afterwards_as_it_was(collecting: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls(monkeypatch)
    (gc.enable if collecting else gc.disable)()
    try:
        calls.timed([calls.program(1, PAIR)], 1)
        assert gc.isenabled() == collecting
    finally:
        gc.enable()
