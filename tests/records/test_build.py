"""From samples whose every number is known to the record: each number is there, and in its own place."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scipy.special import stdtrit

from adapters.base import PHASES
from harness.measure.clock import Samples
from harness.measure.device_numbers import DeviceNumbers
from harness.measure.energy import Energy
from harness.measure.protocol import Counted, DeviceClock, Failure, Outcome, PeakMemory, Verified
from harness.measure.trial import Measured
from harness.records.build import NOT_CHECKED, record_of
from harness.records.calibration import ASSUMED_RATIO, Calibration, Spread, assumed
from harness.records.metrics import METRICS
from harness.records.record import Record
from harness.views.mlflow.run import metrics_of
from harness.workload.cost import cost
from harness.workload.workload import Workload
from tests.helpers.jobs import EAGER, job_of

# Of one call at the first cycle's pace; no phase takes what another one does, nor any simple multiple of it.
SECONDS = {"inference": 0.0021, "forward": 0.0034, "backward": 0.0089, "gradient": 0.0127}
# Every cycle is slower or quicker than the one before by a factor that no other two neighbours have.
PACES = [1.0, 1.9, 0.7, 1.3, 2.3, 0.6, 1.7, 0.9] * 6
QUIET = {"wall": 0.0271, "cpu": 0.0271, "others": 0.0}


def trial(paces: list[float] = PACES, slower: float = 1.0, **surroundings: list[float]) -> Samples:
    """Samples of a process whose phases keep their proportions in every cycle."""
    seconds = {phase: [pace * s * slower for pace in paces] for phase, s in SECONDS.items()}
    enqueue = {phase: [s * (0.25 if phase == "forward" else 0.5) for s in each] for phase, each in seconds.items()}
    each = {name: [pace * value for pace in paces] for name, value in QUIET.items()}
    return Samples(seconds, enqueue, switches=[3] * len(paces), **each, surroundings=surroundings)


def known(*trials: Samples, **changes: Any) -> Measured:
    verified = Verified(1.5, 3e-7, {"w1": 1e-7, "w2": 5e-7, "b1": 2e-7}, 3 * 2**20)
    counts = {
        phase: Counted(n, 1000 * n, 900 * n, "because" if phase == "backward" else "")
        for phase, n in zip(PHASES, (2, 3, 5, 8), strict=True)
    }
    first = dict(zip(PHASES, (0.1, 0.2, 0.4, 0.8), strict=True))
    found = Measured({"torch": "2.13"}, 7.5, 6.25, first, verified, counts)
    found.reference = "an oracle"
    found.trials, found.repeats, found.stops = [*trials], [2, 3, 4][: len(trials)], ["target"] * len(trials)
    return replace(found, **changes)


@pytest.fixture
def recorded(tiny: Workload, tmp_path: Path) -> Callable[..., Record]:
    """The record of torch eager, from what is known of it."""

    def make(found: Measured, calibration: Calibration | None = None) -> Record:
        return record_of(job_of(tiny, tmp_path), EAGER, found, {}, calibration or assumed("here"), {})

    return make


def test_every_number_stands_in_its_own_place(recorded: Callable[..., Record], tiny: Workload) -> None:
    record = recorded(known(trial()))
    work, middle = cost(tiny.graph), math.exp(sum(map(math.log, trimmed(PACES))) / len(trimmed(PACES)))
    assert {name: record.metrics[name] for name in record.metrics.keys() & EXPECTED.keys()} == pytest.approx(EXPECTED)
    first = zip(SECONDS.items(), (0.1, 0.2, 0.4, 0.8), (2, 3, 5, 8), strict=True)
    for (name, seconds), first_s, matmuls in first:
        phase = record.phases[name]
        assert phase.ms == pytest.approx(1000 * seconds * middle)
        assert (phase.first_s, phase.matmuls, phase.flops) == (first_s, matmuls, 1000 * matmuls)
    for name, flops in (("forward", work.forward.flops), ("backward", work.backward.flops)):
        assert record.phases[name].asked_flops == flops
    assert record.metrics["parameters"] == tiny.graph.parameter_count
    assert record.metrics["timed_s"] == pytest.approx(2 * sum(SECONDS.values()) * sum(PACES))
    assert metrics_of(record).keys() <= METRICS.keys()
    assert (record.outcome, record.noise, record.notes) == ("ok", "", {"backward": "because"})
    assert record.gradient_errors == {"w1": 1e-7, "w2": 5e-7, "b1": 2e-7}
    assert record.reference == "an oracle"
    assert record.samples == [trial().as_dict()]


def test_counts_and_rates_are_those_of_their_phase(recorded: Callable[..., Record], tiny: Workload) -> None:
    work, found = cost(tiny.graph), known(trial())
    for name, counted in (("forward", work.forward), ("backward", work.backward)):
        found.counted[name] = replace(found.counted[name], flops=counted.flops, matmuls=counted.matmuls)
    record = recorded(found)
    assert work.forward.matmuls != work.backward.matmuls
    for name, counted in (("forward", work.forward), ("backward", work.backward)):
        phase = record.phases[name]
        assert (phase.asked_matmuls, phase.asked_flops) == (counted.matmuls, counted.flops)
        assert phase.ms and phase.gflops == pytest.approx(counted.flops / 1e6 / phase.ms)
    assert record.metrics["ratio_flops"] == pytest.approx(work.backward.flops / work.forward.flops)


def trimmed(paces: list[float]) -> list[float]:
    cut = int(0.2 * len(paces))
    return sorted(paces)[cut:-cut]


EXPECTED = {
    "ratio": 0.0089 / 0.0034,
    "ratio_marginal": (0.0127 - 0.0021) / 0.0021,
    "dispatch_share": 0.25,
    "backward_dispatch_share": 0.5,
    "pairs": 48,
    "trials": 1,
    "measuring_s": 6.25,
    "set_up_s": 7.5,
    "residual_mib": 3,
    "loss_error": 3e-7,
    "gradient_error": 5e-7,
    "counter_coverage": 0.9,
    "noisy": 0,
    "switches_per_s": 3 * 48 / (0.0271 * sum(PACES)),
    "others_share": 0,
}


def test_pairs_are_of_one_cycle_so_what_slows_a_whole_cycle_leaves_no_doubt(recorded: Callable[..., Record]) -> None:
    """In this process pairs agree to the last digit; backward paired with another cycle's forward would not."""
    m = recorded(known(trial())).metrics
    reach = math.exp(stdtrit(4, 0.975) * ASSUMED_RATIO)
    assert m["ratio_low"] == pytest.approx(m["ratio"] / reach)
    assert m["ratio_high"] == pytest.approx(m["ratio"] * reach)
    assert m["ratio_marginal_low"] + 1 == pytest.approx((m["ratio_marginal"] + 1) / reach)
    assert m["ratio_marginal_high"] + 1 == pytest.approx((m["ratio_marginal"] + 1) * reach)


def test_the_record_says_what_its_interval_contains(recorded: Callable[..., Record]) -> None:
    assert recorded(known(trial())).interval == (
        "process to process and within process variation, 1 trial and a process sigma of 2.0%, "
        "which is assumed; make selfcheck measures it"
    )


def test_trials_count_alike_and_a_self_check_of_this_program_replaces_the_assumption(
    recorded: Callable[..., Record], tiny: Workload
) -> None:
    sigma = {"ratio": 0.004, "marginal": 0.009}
    checked = Calibration("here", "2026", tiny.as_dict(), 2, {"torch-eager": Spread(sigma, 8, 7)}, "noise floor: low")
    found = recorded(known(trial(), trial(PACES[:24], slower=4)), checked)
    m = found.metrics
    assert (m["trials"], m["pairs"]) == (2, 72)
    once = recorded(known(trial())).phases["forward"].ms
    assert once and found.phases["forward"].ms == pytest.approx(2 * once, rel=1e-3)
    assert m["timed_s"] == pytest.approx(sum(SECONDS.values()) * (2 * sum(PACES) + 3 * 4 * sum(PACES[:24])))
    for name, offset in (("ratio", 0), ("ratio_marginal", 1)):
        own = sigma["ratio" if name == "ratio" else "marginal"] * math.sqrt(7 / 8 / 2)
        reach = math.exp(stdtrit(8, 0.975) * own)
        assert m[f"{name}_high"] + offset == pytest.approx((m[name] + offset) * reach)
    assert found.floor == "noise floor: low"
    assert found.interval.endswith("2 trials and a process sigma of 0.4%, from a self-check of 8 processes")
    assert recorded(known(trial()), replace(checked, threads=1)).floor == NOT_CHECKED


def test_too_few_pairs_leave_a_ratio_without_bounds(recorded: Callable[..., Record]) -> None:
    m = recorded(known(trial(PACES[:7]))).metrics
    assert m["ratio"] == pytest.approx(EXPECTED["ratio"])
    assert not {"ratio_low", "ratio_high", "ratio_marginal_low", "ratio_marginal_high"} & m.keys()


def test_what_was_known_before_a_failure_is_kept_and_no_time_with_it(recorded: Callable[..., Record]) -> None:
    found = recorded(known(trial(), failure=Failure(Outcome.CRASHED, "it was killed")))
    assert (found.outcome, found.reason) == ("crashed", "it was killed")
    assert found.metrics["gradient_error"] == 5e-7 and found.phases["backward"].matmuls == 5
    assert not {"ratio", "noisy"} & found.metrics.keys()
    assert found.phases["forward"].ms is None


def test_a_counter_that_is_not_there_covers_nothing(recorded: Callable[..., Record]) -> None:
    found = known(trial())
    found.counted["gradient"] = replace(found.counted["gradient"], seen=None)
    assert "counter_coverage" not in recorded(found).metrics


def test_a_disturbed_machine_is_in_the_record(recorded: Callable[..., Record]) -> None:
    disturbed = trial()
    disturbed.others = [0.5 * wall for wall in disturbed.wall]  # of two CPUs
    found = recorded(known(trial(), disturbed))
    assert found.noise.startswith("trial 2: ")
    assert found.metrics["noisy"] == 1
    assert found.metrics["others_share"] == pytest.approx(0.125)


def test_what_one_of_two_cpus_did_besides_disturbs_half_as_much(recorded: Callable[..., Record]) -> None:
    beside = trial()
    beside.others = [0.15 * wall for wall in beside.wall]
    assert recorded(known(beside)).noise == ""


def test_the_devices_own_time_stands_beside_the_wall_clocks(recorded: Callable[..., Record]) -> None:
    device_s = {"inference": 0.0001, "forward": 0.0008, "backward": 0.002, "gradient": 0.003}
    clock = DeviceClock(SECONDS, {}, device_s, dict(zip(PHASES, (4, 5, 6, 7), strict=True)))
    memory = PeakMemory({"forward": 3 * 2**20, "backward": 5 * 2**19}, "a plan")
    energy = Energy({"inference": 0.5, "backward": 3.5}, "a counter")
    record = recorded(known(trial([1.0] * 48), device=DeviceNumbers(memory, energy, clock)))
    assert {name: phase.device_ms for name, phase in record.phases.items()} == pytest.approx(
        {name: 1000 * seconds for name, seconds in device_s.items()}
    )
    assert [record.phases[name].kernels for name in PHASES] == [4, 5, 6, 7]
    assert [record.phases[name].peak_mib for name in PHASES] == [None, 3, 2.5, None]
    assert record.metrics["launch_gap"] == pytest.approx(1 - 0.0028 / (0.0034 + 0.0089))
    assert record.metrics["ratio_device"] == pytest.approx(0.002 / 0.0008)
    assert [record.phases[name].joules for name in PHASES] == [0.5, None, 3.5, None]
    assert record.described == {
        "torch": "2.13",
        "peak_memory": "a plan",
        "energy": "a counter",
        "device_clock": "CUPTI",
    }
    assert (
        {"backward_device_ms", "forward_kernels", "forward_peak_mib", "backward_joules"}
        < metrics_of(record).keys()
        <= METRICS.keys()
    )


def test_a_device_clock_that_is_not_known_leaves_its_reason_and_no_numbers(recorded: Callable[..., Record]) -> None:
    numbers = DeviceNumbers(PeakMemory(reason="no statistics"), Energy(reason="none"), DeviceClock(reason="no module"))
    record = recorded(known(trial(), device=numbers))
    reasons = {"peak_memory": "no statistics", "energy": "none", "device_clock": "no module"}
    assert record.described == {"torch": "2.13", **reasons}
    assert not {"launch_gap", "ratio_device"} & record.metrics.keys()
    assert record.phases["forward"].device_ms is None
    assert "device_clock" not in recorded(known(trial())).described
