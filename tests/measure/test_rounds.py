"""The order of visits and the end of each variant, with scripted workers and a clock that only they move."""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

import pytest

from adapters.base import PHASES
from harness.measure.clock import Samples
from harness.measure.protocol import Failure, Outcome
from harness.measure.rounds import CYCLES_PER_VISIT, Run, run_rounds
from harness.measure.worker import Worker

TIGHT = [1.0]  # noise of the pairs, as factors that are cycled through
WIDE = [1.0, 2.0, 0.5, 1.7, 0.6, 1.1, 3.0, 0.4, 0.9, 1.3, 0.7, 2.2, 0.8]


class House:
    """Scripted workers, their common clock, and everything that they and `run_rounds` do."""

    def __init__(self) -> None:
        self.now = 0.0
        self.visits: list[str] = []
        self.cycles: list[tuple[str, int]] = []
        self.asked: list[dict[str, Any]] = []
        self.ended: list[Any] = []
        self.announced: list[Any] = []

    def run(
        self, name: str, cycle_s: float = 0.1, factors: list[float] = TIGHT, fails_at: int = 0, **asked: Any
    ) -> Run:
        house = self

        class Scripted:
            visits = 0

            def measure(self, deadline_s: float, cycles: int, repeat: int, stretch: Any) -> Samples:
                assert deadline_s == 99
                house.asked.append({"repeat": repeat, "stretch": stretch})
                self.visits += 1
                house.visits.append(name)
                house.cycles.append((name, cycles))
                house.now += cycles * cycle_s
                if self.visits == fails_at:
                    raise Failure(Outcome.CRASHED, "the worker was killed")
                seconds = {phase: [1.0] * cycles for phase in PHASES}
                done = (self.visits - 1) * cycles
                seconds["backward"] = [2.0 * factors[(done + i) % len(factors)] for i in range(cycles)]
                each: dict[str, Any] = {
                    "switches": [0] * cycles,
                    "cpu": [cycle_s] * cycles,
                    "others": [0.0] * cycles,
                    "wall": [cycle_s] * cycles,
                }
                return Samples(seconds=seconds, enqueue=seconds, **each)

        return Run(cast(Worker, Scripted()), cycle_s=cycle_s, **{"repeat": 1, **asked})

    def measure(self, runs: dict[str, Run], target: float = 0.02, budget_s: float = 1e6) -> None:
        run_rounds(
            runs,
            target=target,
            budget_s=budget_s,
            deadline_s=99,
            finished=lambda key, run, left_s: self.ended.append((key, run.stop, left_s)),
            visiting=lambda key, left_s: self.announced.append((key, left_s)),
            now=lambda: self.now,
        )

    def rounds(self, size: int) -> list[str]:
        return ["".join(self.visits[i : i + size]) for i in range(0, len(self.visits), size)]


@pytest.fixture
def house() -> House:
    return House()


def test_every_variant_is_visited_once_a_round_in_an_order_that_is_reversed_and_rotated(house: House) -> None:
    house.measure({name: house.run(name) for name in "abc"}, target=1e-9, budget_s=8 * CYCLES_PER_VISIT * 0.1)
    assert house.rounds(3)[:7] == ["abc", "cba", "bca", "acb", "cab", "bac", "abc"]


def test_each_variant_comes_first_and_last_equally_often(house: House) -> None:
    house.measure({name: house.run(name) for name in "abc"}, target=1e-9, budget_s=12 * CYCLES_PER_VISIT * 0.1)
    rounds = house.rounds(3)[:6]
    assert Counter(r[0] for r in rounds) == Counter(r[-1] for r in rounds) == Counter("aabbcc")


def test_a_quiet_variant_stops_at_its_target_and_a_noisy_one_when_its_noise_is_known(house: House) -> None:
    house.measure({"quiet": house.run("quiet"), "noisy": house.run("noisy", factors=WIDE)})
    stops = {key: stop for key, stop, _ in house.ended}
    assert stops["quiet"] == "target"
    assert stops["noisy"] in ("settled", "cap")
    assert house.visits.count("noisy") > house.visits.count("quiet")


def test_a_visit_asks_for_the_runs_own_repeats_and_stretch(house: House) -> None:
    house.measure({"plain": house.run("plain", repeat=7)}, budget_s=0.3)
    house.measure({"longer": house.run("longer", repeat=3, stretch=0.05)}, budget_s=0.3)
    assert house.asked == [{"repeat": 7, "stretch": 0.0}, {"repeat": 3, "stretch": 0.05}]


def test_the_target_is_the_one_that_is_asked_for(house: House) -> None:
    cycles = []
    for target in (0.05, 0.02):
        run = house.run("a", factors=[1.0, 1.2, 0.9, 1.1, 1.05, 0.85, 1.15])
        house.measure({"a": run}, target=target)
        cycles.append(run.cycles)
    assert cycles[0] < cycles[1]


def test_a_variant_never_overruns_its_budget_by_more_than_one_visit(house: House) -> None:
    runs = {"slow": house.run("slow", cycle_s=1.0), "fast": house.run("fast", cycle_s=0.01)}
    house.measure(runs, target=1e-9, budget_s=5.0)
    assert {key: stop for key, stop, _ in house.ended}["slow"] == "budget"
    assert 5.0 <= runs["slow"].cycles * 1.0 <= 6.0


def test_the_last_visit_of_a_slow_variant_is_cut_to_what_is_left_of_its_budget(house: House) -> None:
    runs = {"slow": house.run("slow", cycle_s=0.45, factors=WIDE)}
    house.measure(runs, target=1e-9, budget_s=4.0)
    assert runs["slow"].cycles * 0.45 == pytest.approx(4.0, abs=0.45)


def test_the_budget_of_one_variant_is_not_spent_by_the_others(house: House) -> None:
    runs = {name: house.run(name, factors=WIDE) for name in "ab"}
    house.measure(runs, target=1e-9, budget_s=2.0)
    assert {runs[name].cycles for name in "ab"} == {20}


def test_a_variant_whose_every_cycle_takes_longer_than_the_budget_is_still_measured_once(house: House) -> None:
    runs = {"glacial": house.run("glacial", cycle_s=100.0)}
    house.measure(runs, budget_s=1.0)
    assert runs["glacial"].cycles == 1
    assert house.ended == [("glacial", "budget", 0)]


@pytest.mark.parametrize(
    ("cycle_s", "cycles"), [(0.01, CYCLES_PER_VISIT), (0.5, CYCLES_PER_VISIT), (1.0, 2), (1.9, 1), (60.0, 1)]
)
def test_a_visit_of_a_slow_program_has_fewer_cycles(house: House, cycle_s: float, cycles: int) -> None:
    house.measure({"a": house.run("a", cycle_s=cycle_s)}, budget_s=100.0)
    assert {count for _, count in house.cycles} == {cycles}


def test_a_variant_that_fails_does_not_stop_the_others(house: House) -> None:
    runs = {"a": house.run("a"), "bad": house.run("bad", fails_at=3), "c": house.run("c")}
    house.measure(runs)
    assert runs["bad"].failure is not None and runs["bad"].failure.outcome == "crashed"
    assert runs["bad"].stop == "" and runs["bad"].cycles == 2 * CYCLES_PER_VISIT
    assert house.visits.count("bad") == 3
    assert runs["a"].stop == runs["c"].stop == "target"


def test_all_variants_may_fail(house: House) -> None:
    house.measure({name: house.run(name, fails_at=1) for name in "ab"})
    assert sorted(key for key, _, _ in house.ended) == ["a", "b"]


def test_finished_is_called_once_for_each_variant_with_fewer_and_fewer_seconds_left(house: House) -> None:
    runs = {
        "crashes": house.run("crashes", fails_at=2),
        "quiet": house.run("quiet"),
        "noisy": house.run("noisy", factors=WIDE),
        "slow": house.run("slow", cycle_s=1.0, factors=WIDE),
        "glacial": house.run("glacial", cycle_s=50.0),
    }
    house.measure(runs, budget_s=40.0)
    assert sorted(key for key, _, _ in house.ended) == sorted(runs)
    left = [seconds for _, _, seconds in house.ended]
    assert left == sorted(left, reverse=True)
    assert left[-1] == 0 and all(seconds <= 4 * 40.0 for seconds in left)


def test_each_visit_is_announced_with_what_all_may_still_take(house: House) -> None:
    house.measure({"a": house.run("a"), "b": house.run("b", factors=WIDE)}, budget_s=4.0)
    assert [key for key, _ in house.announced] == house.visits
    left = [seconds for _, seconds in house.announced]
    assert left[0] == 8.0 and left == sorted(left, reverse=True) and left[-1] > 0


def test_seconds_left_are_what_the_others_have_not_spent(house: House) -> None:
    house.measure({"bad": house.run("bad", fails_at=1), "good": house.run("good", cycle_s=0.5)}, budget_s=10.0)
    assert house.ended[0] == ("bad", "", 10.0)
    house.measure({"good": house.run("good", cycle_s=0.5), "bad": house.run("bad", fails_at=2)}, budget_s=10.0)
    assert house.ended[2] == ("bad", "", 10.0 - 4 * 0.5), "in the reversed second round, bad comes before good"


def test_a_variant_is_finished_as_soon_as_it_ends_and_not_visited_again(house: House) -> None:
    seen = []
    runs = {"quiet": house.run("quiet"), "noisy": house.run("noisy", factors=WIDE)}
    run_rounds(
        runs,
        target=0.02,
        budget_s=1e6,
        deadline_s=99,
        finished=lambda key, run, left_s: seen.append((key, len(house.visits))),
        now=lambda: house.now,
    )
    (first, at), _ = seen
    assert first == "quiet"
    assert "quiet" not in house.visits[at:]


def test_each_visit_has_the_readings_since_it_began(house: House) -> None:
    starts = []

    def look(start: float) -> dict[str, list[float]]:
        starts.append(start)
        return {"gpu_mhz": [float(len(starts))]}

    run = house.run("a", look=look)
    house.measure({"a": run}, target=1e-9, budget_s=3 * CYCLES_PER_VISIT * 0.1)
    assert run.samples.surroundings == {"gpu_mhz": [1.0, 2.0, 3.0]}
    assert starts == sorted(starts) and len(set(starts)) == 3
