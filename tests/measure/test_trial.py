"""A trial with scripted workers: what each is asked, and where its answers go."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Never, cast

import pytest

from adapters.base import PHASES
from harness.job import Device, Measure
from harness.measure import trial
from harness.measure.launch import Conditions, Launch
from harness.measure.protocol import Counted, Failure, Outcome, Verified
from harness.measure.rounds import run_rounds
from harness.measure.trial import Measured, run_trial
from harness.measure.worker import MALLOC, Worker

NOBODY = 0  # no process's id
SECONDS = dict(zip(PHASES, (0.01, 0.02, 0.05, 0.08), strict=True))
FIRST = {"forward": 3.0}


def verified(trial: int) -> Verified:
    return Verified(float(trial), 1e-7, {"w1": 2e-7}, 1024)


def counted(trial: int) -> Counted:
    return Counted(trial, 2 * trial, None, "")


class House:
    """Makes workers that answer from a script, and notes what they are asked."""

    def __init__(self) -> None:
        self.asks: list[tuple[Any, ...]] = []
        self.started: list[tuple[Any, ...]] = []
        self.fails: dict[str, str] = {}  # the ask that each execution fails at
        self.trial = 0

    def worker(self, interpreter: str, cpus: list[int], log: Path, environment: dict[str, str]) -> Worker:
        house, execution = self, log.stem
        house.started.append((interpreter, tuple(cpus), log, environment))

        class Scripted(Worker):
            def __init__(self) -> None:
                self.process = cast(Any, SimpleNamespace(pid=NOBODY))

            def close(self) -> None:
                pass

            def ask(self, name: str, deadline_s: float, **arguments: Any) -> Any:
                house.asks.append((execution, name, arguments))
                assert deadline_s == 60.0
                if house.fails.get(execution) == name:
                    raise Failure(Outcome.ERROR, f"it failed at {name}")
                return house.answer(name, **arguments)

        return Scripted()

    def answer(self, name: str, cycles: int = 0, **_: Any) -> Any:
        seconds = {phase: [s] * cycles for phase, s in SECONDS.items()}
        each = {"switches": [0] * cycles, "cpu": [0.5] * cycles, "others": [0.0] * cycles}
        return {
            "open": {},
            "load": {
                "described": {"version": f"{self.trial}.0"},
                "first_call_s": {phase: seconds + self.trial for phase, seconds in FIRST.items()},
                "reference": "an oracle",
            },
            "verify": asdict(verified(self.trial)),
            "count": {"forward": asdict(counted(self.trial))},
            "warm": {"seconds": SECONDS, "cycles": 12, "repeat": 3},
            "peak_memory": {"peak_bytes": dict.fromkeys(PHASES, 2**20), "source": "a count"},
            "device_clock": {"device_s": SECONDS, "kernels": dict.fromkeys(PHASES, self.trial)},
            "measure": {"seconds": seconds, "enqueue": seconds, "wall": [0.5] * cycles, **each},
        }[name]

    def asked(self, name: str) -> list[dict[str, Any]]:
        return [arguments for _, said, arguments in self.asks if said == name]


CONDITIONS = Conditions(
    Device("cpu", 3, "kept"), Measure("brief", 1, 0.04, 1.25, 0.75, 60.0), "bf16", [4, 5, 6], Path("cache")
)


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> House:
    made = House()
    monkeypatch.setattr(trial, "Worker", made.worker)
    return made


def run(
    house: House, *executions: str, trials: int = 1, conditions: Conditions = CONDITIONS
) -> tuple[dict[str, Measured], list[tuple[str, float]]]:
    """What is measured of each execution, and the order in which they ended, trial by trial."""
    ready: Future[Path] = Future()
    ready.set_result(Path("arrays"))
    known = {name: Measured() for name in executions}
    ended: list[tuple[str, float]] = []
    for house.trial in range(1, trials + 1):
        launches = {
            name: Launch("fake", name, {"of": name}, f"python-{name}", Path(f"{name}.log"))
            for name in executions
            if not known[name].failure
        }
        run_trial(launches, known, conditions, ready, lambda name, left_s: ended.append((name, left_s)))
    return known, ended


def test_each_worker_is_started_and_asked_as_its_variant_and_the_conditions_say(house: House) -> None:
    run(house, "a", "b")
    environment = MALLOC["kept"] | {"TWOFOLD_CACHE_DIR": str(Path("cache").resolve())}
    assert [started[:3] for started in house.started] == [(f"python-{n}", (4, 5, 6), Path(f"{n}.log")) for n in "ab"]
    assert all(environment.items() <= given.items() for *_, given in house.started)
    wanted = {"framework": "fake", "device": "cpu", "threads": 3, "precision": "bf16"}
    assert house.asked("open") == [wanted, wanted]
    loads = sorted(house.asked("load"), key=lambda arguments: arguments["execution"])
    assert loads == [{"folder": "arrays", "execution": n, "choices": {"of": n}} for n in "ab"]
    assert house.asked("warm") == [{"limit_s": 0.75}] * 2
    assert {(asked["repeat"], asked["stretch"]) for asked in house.asked("measure")} == {(3, 0.0)}


def test_what_is_done_is_told_before_it_is_asked_of_the_worker(house: House) -> None:
    """And never in between: it would take time from what is measured."""
    ready: Future[Path] = Future()
    ready.set_result(Path("arrays"))
    launches = {name: Launch("fake", name, {}, "python", Path(f"{name}.log")) for name in "ab"}
    told: list[tuple[Any, ...]] = []

    def doing(what: str, name: str, left_s: float | None) -> None:
        told.append((what, name, left_s))
        house.asks.append((name, what, {}))

    known = {name: Measured() for name in launches}
    run_trial(launches, known, CONDITIONS, ready, lambda name, left_s: None, doing=doing)
    assert {what: {name for said, name, _ in told if said == what} for what, _, _ in told} == {
        what: {"a", "b"} for what in ("preparing", "warming up", "measuring")
    }
    asks = [(execution, name) for execution, name, _ in house.asks]
    for verb, ask in (("warming up", "warm"), ("measuring", "measure")):
        positions = [i for i, (_, name) in enumerate(asks) if name == ask]
        assert positions and all(asks[i - 1] == (asks[i][0], verb) for i in positions)
    assert [left_s for what, _, left_s in told if what == "warming up"] == [2.5, 2.5]


def test_a_visit_lasts_as_long_as_its_repeats_take(house: House) -> None:
    """A cycle of three calls of each phase takes 0.48 s: of the budget of 1.25 s that is about 3."""
    run(house, "a")
    assert house.asked("measure")[0]["cycles"] == 3


def test_the_rounds_have_the_target_and_the_budget_of_the_conditions(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {}

    def rounds(runs: Any, **arguments: Any) -> None:
        given.update(arguments)
        run_rounds(runs, **arguments)

    monkeypatch.setattr(trial, "run_rounds", rounds)
    run(house, "a")
    del given["finished"], given["visiting"]
    assert given == {"target": 0.04, "budget_s": 1.25, "deadline_s": 60.0}


def test_setting_up_is_until_it_is_counted_without_waiting_for_arrays_and_measuring_begins_with_the_warm_up(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that only asks move."""
    monkeypatch.setattr(trial, "time", SimpleNamespace(monotonic=lambda: 60.0 * len(house.asks)))
    known, _ = run(house, "a")
    assert known["a"].set_up_s == 60 * len(("open", "load", "verify", "count"))
    assert known["a"].measuring_s == 60 + 0.5 * len(known["a"].trials[0].wall)

    class Late(Future[Path]):
        def result(self, timeout: Any = None) -> Any:
            house.asks += [("", "", {})] * 100
            return super().result(timeout)

    late = Late()
    late.set_result(Path("arrays"))
    alone = Measured()
    launch = Launch("fake", "a", {}, "python", Path("a.log"))
    run_trial({"a": launch}, {"a": alone}, CONDITIONS, late, lambda name, left_s: None)
    assert alone.set_up_s == 4 * 60


def test_what_is_measured_of_all_trials_is_known(house: House) -> None:
    known, _ = run(house, "a", trials=2)
    found = known["a"]
    assert (len(found.trials), found.repeats, len(found.stops)) == (2, [3, 3], 2)
    assert all(found.stops)
    assert found.measuring_s >= 0.5 * sum(len(samples.wall) for samples in found.trials)


def test_first_calls_counts_and_set_up_are_of_the_first_trial_and_every_trial_is_verified(house: House) -> None:
    known, _ = run(house, "a", trials=3)
    found = known["a"]
    assert found.first_call_s == {"forward": 4.0}
    assert found.described == {"version": "1.0"}
    assert found.reference == "an oracle"
    assert found.counted == {"forward": counted(1)}
    assert found.verified == verified(3)
    assert (len(house.asked("verify")), len(house.asked("count"))) == (3, 1)
    assert found.set_up_s > 0


@pytest.mark.parametrize("at", ["load", "verify", "count", "warm", "measure"])
def test_a_failure_costs_its_own_variant_only_wherever_it_is(house: House, at: str) -> None:
    house.fails = {"bad": at}
    known, ended = run(house, "bad", "good")
    assert known["bad"].failure is not None and known["bad"].failure.reason == f"it failed at {at}"
    assert known["good"].failure is None and len(known["good"].trials) == 1
    assert [name for name, _ in ended] == ["bad", "good"]
    assert ended[-1][1] == 0
    assert ("bad" in [execution for execution, name, _ in house.asks if name == "measure"]) == (at == "measure")


ON_A_GPU = replace(CONDITIONS, device=Device("cuda", 3, "kept"))


def test_a_gpu_is_asked_for_its_own_time_once_after_the_rounds_and_a_cpu_is_not(house: House) -> None:
    known, _ = run(house, "a", "b", trials=2, conditions=ON_A_GPU)
    for device in (known["a"].device, known["b"].device):
        assert device is not None and device.clock is not None and device.memory is not None
        assert (device.clock.device_s, device.clock.kernels["backward"]) == (SECONDS, 1)
        assert device.memory.peak_bytes["backward"] == 2**20
    names = [name for execution, name, _ in house.asks if execution == "a"]
    assert names.count("device_clock") == 1
    at = names.index("device_clock")
    assert names[at - 2 : at + 2] == ["measure", "peak_memory", "device_clock", "open"]
    house.asks.clear()
    run(house, "a")
    assert not house.asked("device_clock")
    assert [name for _, name, _ in house.asks][-1] == "peak_memory", "which may change how the process manages memory"


def test_a_device_clock_that_fails_costs_nothing_else(house: House) -> None:
    house.fails = {"a": "device_clock", "b": "measure"}
    known, ended = run(house, "a", "b", conditions=ON_A_GPU)
    assert known["a"].failure is None and len(known["a"].trials) == 1
    assert known["a"].device and known["a"].device.clock
    assert known["a"].device.clock.reason == "error: it failed at device_clock"
    assert known["b"].device is None
    assert sorted(name for name, _ in ended) == ["a", "b"]


def test_an_interrupt_does_not_wait_for_arrays_that_are_still_computed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def worker(*started: Any) -> Any:
        made: Any = house.worker(*started)
        made.process = SimpleNamespace(kill=lambda: None)
        if started[2].stem == "b":
            made.open = interrupt
        return made

    def interrupt(deadline_s: float, **_: Any) -> Never:
        raise KeyboardInterrupt

    ready: Future[Path] = Future()
    monkeypatch.setattr(trial, "Worker", worker)
    launches = {name: Launch("fake", name, {}, "python", Path(f"{name}.log")) for name in "ba"}
    measured = {name: Measured() for name in "ab"}
    with pytest.raises(KeyboardInterrupt):
        run_trial(launches, measured, CONDITIONS, ready, print, abandon=lambda: ready.set_result(Path("half")))
    assert ready.done()
