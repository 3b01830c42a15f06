"""The clock on a program whose every phase takes a known time, by a clock that only the program moves."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from adapters.base import PHASES
from harness.measure import clock
from harness.measure.clock import Samples, first_calls, measure, repeats, warm_up

SECONDS = {"inference": 1.0, "forward": 2.0, "backward": 5.0, "gradient": 8.0}


class Result:
    """What a phase returns; computed at `ready`."""

    def __init__(self, ready: float) -> None:
        self.ready = ready


class Fake:
    """Adapter and program at once. Asynchronous: a call takes `enqueue` of its time, `wait` the rest."""

    phases = PHASES

    def __init__(self, seconds: dict[str, float] = SECONDS, enqueue: float = 1.0, tick: float = 0.0) -> None:
        self.now = 0.0
        self.tick = tick  # what reading the clock takes
        self.seconds = dict(seconds)
        self.enqueue = enqueue
        self.device_free = 0.0
        self.calls: list[str] = []
        self.kept: list[Result] = []
        self.collecting: set[bool] = set()

    def clock(self) -> float:
        self.now += self.tick
        return self.now

    def run(self, phase: str) -> Result:
        self.calls.append(phase)
        self.collecting.add(gc.isenabled())
        start = max(self.now, self.device_free)
        self.now += self.enqueue * self.seconds[phase]
        self.device_free = start + self.seconds[phase]
        return Result(self.device_free)

    def inference(self) -> Any:
        return self.run("inference")

    def forward(self) -> Any:
        result = self.run("forward")
        self.kept.append(result)
        return result

    def backward(self, kept: Any) -> Any:
        self.kept.remove(kept)  # fails for residuals that are used twice or are not of this program
        return {"w": self.run("backward")}

    def gradient(self) -> Any:
        return self.run("gradient"), {"w": Result(self.device_free)}

    def wait(self, value: Any) -> None:
        if isinstance(value, Result):
            self.now = max(self.now, value.ready)
        else:
            for part in value.values() if isinstance(value, dict) else value:
                self.wait(part)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Makes a program whose clock is the module's. Tests give it other methods, and phases that it lacks."""

    def make(**options: Any) -> Fake:
        made = Fake(**options)
        monkeypatch.setattr(clock, "perf_counter", made.clock)
        return made

    return make


def test_seconds_are_those_of_each_phase(fake: Callable[..., Any]) -> None:
    program = fake()
    samples = measure(program, program, cycles=3, repeat=1)
    assert samples.seconds == {phase: [seconds] * 3 for phase, seconds in SECONDS.items()}
    assert samples.wall == [sum(SECONDS.values())] * 3


@pytest.mark.parametrize("repeat", [1, 4])
def test_an_asynchronous_call_is_timed_until_it_is_done(fake: Callable[..., Any], repeat: int) -> None:
    program = fake(enqueue=0.25)
    samples = measure(program, program, cycles=2, repeat=repeat)
    assert samples.seconds == {phase: [pytest.approx(seconds)] * 2 for phase, seconds in SECONDS.items()}
    assert samples.enqueue == {phase: [pytest.approx(seconds / 4)] * 2 for phase, seconds in SECONDS.items()}


@pytest.mark.parametrize("repeat", [1, 2])
def test_each_time_stands_in_the_entry_of_the_cycle_that_took_it(fake: Callable[..., Any], repeat: int) -> None:
    """The n-th cycle takes n times as long, so that a phase paired with that of another cycle would show."""
    program = fake(enqueue=0.5)
    run = program.run

    def slower(phase: str) -> Any:
        program.seconds[phase] = SECONDS[phase] * (program.calls.count(phase) // repeat + 1)
        return run(phase)

    program.run = slower
    samples = measure(program, program, cycles=2, repeat=repeat)
    samples.extend(measure(program, program, cycles=2, repeat=repeat))
    taken = {phase: [pytest.approx(n * seconds) for n in (1, 2, 3, 4)] for phase, seconds in SECONDS.items()}
    assert samples.seconds == taken
    assert samples.enqueue == {phase: [pytest.approx(s.expected / 2) for s in each] for phase, each in taken.items()}
    assert samples.wall == [pytest.approx(n * repeat * sum(SECONDS.values())) for n in (1, 2, 3, 4)]


def test_a_synchronous_call_is_enqueued_when_it_is_done(fake: Callable[..., Any]) -> None:
    program = fake(enqueue=1.0)
    samples = measure(program, program, cycles=1, repeat=2)
    assert samples.enqueue == samples.seconds


def test_the_order_of_phases_is_reversed_every_other_cycle_and_forward_stays_before_backward(
    fake: Callable[..., Any],
) -> None:
    program = fake()
    measure(program, program, cycles=3, repeat=1)
    there, back = ["inference", "forward", "backward", "gradient"], ["gradient", "forward", "backward", "inference"]
    assert program.calls == there + back + there


def test_a_phase_that_uses_anothers_result_comes_right_behind_it(fake: Callable[..., Any]) -> None:
    program = fake()
    program.seconds |= {"update": 3.0, "forward_inputs": 1.0, "backward_inputs": 4.0}
    program.phases = (*PHASES, "forward_inputs", "backward_inputs", "update")
    program.forward_inputs = lambda: program.run("forward_inputs")
    program.backward_inputs = lambda kept: program.run("backward_inputs")
    program.update = lambda pair: program.run("update") if "w" in pair[1] else None
    samples = measure(program, program, cycles=2, repeat=2)
    there = ["inference", "forward", "backward", "gradient", "update", "forward_inputs", "backward_inputs"]
    back = ["forward_inputs", "backward_inputs", "gradient", "update", "forward", "backward", "inference"]
    assert program.calls[::2] == there + back
    assert samples.seconds == {phase: [seconds] * 2 for phase, seconds in program.seconds.items()}
    assert first_calls(program, program) == program.seconds


def test_each_backward_uses_up_the_residuals_of_one_fresh_forward(fake: Callable[..., Any]) -> None:
    program = fake()
    measure(program, program, cycles=2, repeat=3)  # Fake.backward refuses residuals that are used up
    assert program.kept == []
    assert program.calls.count("backward") == program.calls.count("forward") == 6


def test_a_block_repeats_each_phase_and_reports_seconds_per_call(fake: Callable[..., Any]) -> None:
    program = fake()
    samples = measure(program, program, cycles=1, repeat=3)
    assert program.calls == [phase for phase in PHASES for _ in range(3)]
    assert samples.seconds == {phase: [seconds] for phase, seconds in SECONDS.items()}


def test_every_cycle_has_one_entry_in_every_list(fake: Callable[..., Any]) -> None:
    program = fake()
    samples = measure(program, program, cycles=5, repeat=2)
    by_phase: list[Sequence[float]] = [*samples.seconds.values(), *samples.enqueue.values()]
    lists = [*by_phase, samples.switches, samples.cpu, samples.wall]
    assert [len(entries) for entries in lists] == [5] * 11
    assert all(switches >= 0 and cpu >= 0 for switches, cpu in zip(samples.switches, samples.cpu, strict=True))


def test_samples_extend_in_order_and_survive_the_pipe(fake: Callable[..., Any]) -> None:
    program = fake()
    first, second = measure(program, program, 1, 1), measure(program, program, 2, 1)
    first.extend(Samples(**second.as_dict()))
    assert first.seconds["backward"] == [5.0] * 3
    assert len(first.wall) == len(first.cpu) == len(first.switches) == len(first.enqueue["gradient"]) == 3


def test_stretch_prolongs_backward_alone_by_its_share(fake: Callable[..., Any]) -> None:
    program = fake(tick=1e-3, enqueue=0.25)
    samples = measure(program, program, cycles=2, repeat=2, stretch=0.5)
    expected = SECONDS | {"backward": 1.5 * SECONDS["backward"]}
    assert samples.seconds == {phase: [pytest.approx(s, abs=0.01)] * 2 for phase, s in expected.items()}


@pytest.mark.parametrize("collecting", [True, False])
def test_garbage_collection_is_off_inside_and_as_before_outside(fake: Callable[..., Any], collecting: bool) -> None:
    program = fake()
    try:
        (gc.enable if collecting else gc.disable)()
        measure(program, program, 1, 1)
        assert gc.isenabled() is collecting
    finally:
        gc.enable()
    assert program.collecting == {False}


def test_garbage_collection_is_restored_after_an_exception(fake: Callable[..., Any]) -> None:
    program = fake()
    program.seconds.pop("gradient")
    with pytest.raises(KeyError):
        measure(program, program, 1, 1)
    assert gc.isenabled()


def test_first_calls_go_in_order_and_wait_for_the_result(fake: Callable[..., Any]) -> None:
    program = fake(enqueue=0.25)
    assert first_calls(program, program) == SECONDS
    assert program.calls == list(PHASES)
    assert program.kept == []


def test_warm_up_of_a_stable_program_ends_after_three_blocks(fake: Callable[..., Any]) -> None:
    program = fake()
    assert warm_up(program, program, limit_s=1e9) == (SECONDS, 12)


@pytest.mark.parametrize("phase", ["forward", "backward"])
def test_warm_up_goes_on_while_times_fall_and_returns_the_last_level(fake: Callable[..., Any], phase: str) -> None:
    program = fake()
    level = SECONDS[phase]

    def falling() -> Any:
        program.seconds[phase] = max(level, 100 * 0.8 ** program.calls.count("inference"))  # for 13 to 18 cycles
        return Fake.inference(program)

    program.inference = falling
    seconds, cycles = warm_up(program, program, limit_s=1e9)
    assert cycles > 16
    assert seconds[phase] == level


def test_warm_up_returns_medians_of_its_last_block(fake: Callable[..., Any]) -> None:
    program = fake()

    def uneven() -> Any:
        cycle = program.calls.count("inference")
        program.seconds["gradient"] = [6.0, 8.0, 9.0, 30.0][cycle % 4] + (cycle < 8)
        return Fake.inference(program)

    program.inference = uneven
    assert warm_up(program, program, limit_s=1e9) == (SECONDS | {"gradient": 8.5}, 12)


def test_two_like_blocks_in_a_row_are_not_enough_to_be_warm(fake: Callable[..., Any]) -> None:
    program = fake()

    def stumbling() -> Any:
        program.seconds["forward"] = 2.0 if program.calls.count("inference") < 8 else 4.0
        return Fake.inference(program)

    program.inference = stumbling
    seconds, cycles = warm_up(program, program, limit_s=1e9)
    assert (seconds["forward"], cycles) == (4.0, 20)


def test_warm_up_of_a_program_that_never_settles_ends_at_the_cap(fake: Callable[..., Any]) -> None:
    program = fake()

    def slower() -> Any:
        program.seconds["forward"] *= 1.1
        return Fake.inference(program)

    program.inference = slower
    _, cycles = warm_up(program, program, limit_s=1e9)
    assert cycles == clock.WARM_WINDOW * clock.MOST_WARM_WINDOWS


def test_warm_up_ends_after_the_cycle_in_which_its_limit_is_over(fake: Callable[..., Any]) -> None:
    program = fake()
    _, cycles = warm_up(program, program, limit_s=5.5 * sum(SECONDS.values()))
    assert cycles == 6


@pytest.mark.parametrize(
    ("shortest_s", "calls"),
    [(10.0, 1), (1e-3, 1), (0.9e-3, 2), (0.25e-3, 4), (1e-4, 10), (1e-7, clock.MOST_REPEATS)],
)
def test_a_timed_block_lasts_a_millisecond_unless_that_takes_too_many_calls(shortest_s: float, calls: int) -> None:
    assert repeats(SECONDS | {"inference": shortest_s}) == calls
