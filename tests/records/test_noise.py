"""Who had the CPUs, in spans that are long against the steps of the kernel's counters, and what else was seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from harness.measure.clock import Samples
from harness.records.noise import noise, surroundings

CYCLE_S = 0.05  # five to a span


def trial(
    cycles: int = 100,
    others: Sequence[float] = (0.0,),
    share: Sequence[float] = (1.0,),
    forward: Sequence[float] = (1.0,),
    backward: Sequence[float] = (2.0,),
    **surroundings: list[float],
) -> Samples:
    """Cycles of one length: `others` and the program's `share` of wall time, and what phases take, spread over them."""

    def spread(values: Sequence[float]) -> list[float]:
        return [values[i * len(values) // cycles] for i in range(cycles)]

    return Samples(
        seconds={"forward": spread(forward), "backward": spread(backward)},
        switches=[2] * cycles,
        cpu=[CYCLE_S * each for each in spread(share)],
        others=[CYCLE_S * each for each in spread(others)],
        wall=[CYCLE_S] * cycles,
        surroundings=surroundings,
    )


TENTHS = 10


def tenths(number: int, value: float, rest: float) -> tuple[float, ...]:
    """A trial's time in ten parts, of which so many have a value."""
    return (value,) * number + (rest,) * (TENTHS - number)


@pytest.mark.parametrize(("disturbed", "noisy"), [(4, False), (6, True)])
def test_a_trial_is_noisy_where_half_of_its_spans_are_disturbed(disturbed: int, noisy: bool) -> None:
    by_others = trial(others=tenths(disturbed, 0.9, 0.0))
    kept_waiting = trial(share=tenths(disturbed, 0.8, 1.0))
    assert bool(noise([by_others], 1)) == bool(noise([kept_waiting], 1)) == noisy


def test_a_cycle_is_no_stretch() -> None:
    """Counters move in steps: 40 % in one cycle of five and nothing in the others is 8 % of the time."""
    stepwise = trial(others=(0.4, 0.0, 0.0, 0.0, 0.0) * 20)
    assert noise([stepwise], 1) == ""
    assert "others took 12% of the CPUs" in noise([trial(others=(0.6, 0.0, 0.0, 0.0, 0.0) * 20)], 1)


def test_others_take_their_share_of_all_cpus() -> None:
    made = trial(others=(0.18,))
    assert noise([made], 1) != "" and noise([made], 2) == ""


def test_the_best_share_is_that_of_a_tenth_of_the_spans() -> None:
    assert noise([trial(share=(3.0,) + (1.0,) * 19)], 1) == "", "one span of twenty may have counted too much"
    assert noise([trial(share=tenths(2, 3.0, 1.0))], 1) != ""


def test_fewer_cpu_seconds_of_all_than_of_the_program_are_none_of_others() -> None:
    """Both counters are rounded."""
    made = trial(others=(-0.5,))
    assert noise([made], 1) == ""
    assert surroundings([made], 1)["others_share"] == 0


def test_every_trial_is_judged_by_itself_and_named() -> None:
    busy = trial(others=(0.5,))
    assert noise([trial(), busy, trial(), busy], 1).count("trial ") == 2
    assert noise([trial(), busy], 1).startswith("trial 2: 20 of 20 spans disturbed")


def test_what_the_machine_did_is_summed_up_over_trials_and_cpus() -> None:
    one = trial(others=(0.1,), load=[1.0, 3.0], steal_s=[0.25, 0.5], cpu_mhz=[1000, 2000, 9000], cpu_celsius=[50, 70])
    other = trial(
        others=(0.3,), load=[2.0], steal_s=[0.25], cpu_celsius=[60], throttles=[2, 3], gpu_mhz=[100, 200, 900]
    )
    other.surroundings["gpu_watts"] = [300, 100, 200]
    found = surroundings([one, other], 2)
    assert found == {
        "load": 3.0,
        "cpu_mhz": 2000,
        "cpu_celsius": 70,
        "throttles": 5,
        "gpu_mhz": 200,
        "gpu_watts": 200,
        "steal_share": pytest.approx(1.0 / (10 * 2)),
        "others_share": pytest.approx(0.2 / 2),
        "switches_per_s": pytest.approx(40),
        "drift": 0,
        "drift_significant": 0,
    }


@pytest.mark.parametrize(("lowest", "noisy"), [(1980, False), (1921, False), (1920, True)])
def test_a_gpu_whose_clock_varies_by_more_than_3_percent_within_a_trial_is_marked(lowest: int, noisy: bool) -> None:
    varying, steady = trial(gpu_mhz=[1980, lowest, 1980]), trial(gpu_mhz=[1200, 1200])
    said = noise([steady, varying], 1)
    assert said == ("trial 2: the GPU's clock varied from 1920 to 1980 MHz" if noisy else "")


@pytest.mark.parametrize("phase", ["forward", "backward"])
def test_the_drift_is_that_of_both_phases_together_and_the_largest_of_any_trial(phase: str) -> None:
    times: dict[str, Any] = {"forward": (1.0,), "backward": (1.0,), phase: (3.0, 2.0)}
    quicker = trial(**times)
    slower = trial(forward=(1.0, 1.05), backward=(2.0, 2.1))
    found = surroundings([slower, quicker, slower], 1)
    assert found["drift"] == pytest.approx(3 / 4 - 1) and found["drift_significant"] == 1
