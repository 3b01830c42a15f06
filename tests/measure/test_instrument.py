"""The whole instrument, from worker to record, on a framework whose every phase takes a known time."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

import pytest

from harness.job import Device, Job, Measure, Tracking, Variant
from harness.measure.launch import Conditions, Launch
from harness.measure.trial import Measured, run_trial
from harness.records import calibration
from harness.records.build import record_of
from harness.records.record import Record
from harness.workload.workload import Workload
from tests.helpers.undisturbed import undisturbed

# As `tests/fakes/adapters/fake.py` sleeps.
RATIO, MARGINAL, FORWARD_MS = 2.5, 3.0, 4.0


def measured_records(
    executions: Sequence[str],
    trials: int,
    workload: Workload,
    folder: Path,
    python: str,
    tmp_path: Path,
    budget_s: float = 6.0,
) -> dict[str, Record]:
    """The record of each execution of the fake framework, measured together in real processes."""
    variants = [Variant("fake", execution) for execution in executions]
    job = Job(
        study="s",
        sweep="main",
        workload=workload,
        device=Device("cpu", 1, "kept"),
        variants=tuple(variants),
        measure=Measure("test", trials, 0.02, budget_s, 2.0, 60.0),
        tracking=Tracking(None),
        frameworks={},
        results=tmp_path,
    )
    ready: Future[Path] = Future()
    ready.set_result(folder)
    known = {variant: Measured() for variant in variants}
    conditions = Conditions(job.device, job.measure, "fp32", sorted(os.sched_getaffinity(0)), tmp_path / "cache")
    settled = []
    for _ in range(trials):
        alive = [variant for variant in variants if not known[variant].failure]
        launches = {v: Launch("fake", v.execution, {}, python, tmp_path / f"{v}.log") for v in alive}
        settle = lambda: settled.append(max(len(k.trials) for k in known.values()))  # noqa: E731
        run_trial(launches, known, conditions, ready, lambda variant, left_s: None, settle)
    assert settled == list(range(trials)), "each trial waits until this process is quiet, and measures then"
    return {v.execution: record_of(job, v, known[v], {}, calibration.assumed(""), {}) for v in variants}


@pytest.fixture
def measure(tiny: Workload, tiny_folder: Path, fake_python: str, tmp_path: Path) -> Callable[..., dict[str, Record]]:
    return lambda *executions, trials=1, **rest: measured_records(
        executions, trials, tiny, tiny_folder, fake_python, tmp_path, **rest
    )


def assert_recovers(record: Record, within: float) -> None:
    m = record.metrics
    assert record.outcome == "ok", record.reason
    assert m["ratio_low"] < RATIO < m["ratio_high"]
    assert m["ratio_marginal_low"] < MARGINAL < m["ratio_marginal_high"]
    assert m["ratio"] == pytest.approx(RATIO, rel=within)
    assert m["ratio_marginal"] == pytest.approx(MARGINAL, rel=within)


@pytest.mark.slow
def test_known_times_are_recovered_for_synchronous_asynchronous_and_noisy_programs(
    measure: Callable[..., dict[str, Record]],
) -> None:
    def check() -> None:
        records = measure("sleepy", "deferred", "noisy")
        for execution, within in (("sleepy", 0.05), ("deferred", 0.05), ("noisy", 0.1)):
            assert_recovers(records[execution], within)
            assert (records[execution].phases["forward"].ms or 0) >= 0.9 * FORWARD_MS
        assert records["deferred"].metrics["dispatch_share"] < 0.5 < records["sleepy"].metrics["dispatch_share"]
        assert records["noisy"].metrics["pairs"] > records["sleepy"].metrics["pairs"] >= 48
        assert records["sleepy"].stop == ["target"]

    undisturbed(check)


@pytest.mark.slow
def test_trials_are_fresh_processes_and_are_all_in_the_record(measure: Callable[..., dict[str, Record]]) -> None:
    def check() -> Record:
        record = measure("sleepy", trials=2)["sleepy"]
        assert_recovers(record, 0.05)
        return record

    record = undisturbed(check)
    assert record.metrics["trials"] == len(record.samples) == len(record.stop) == 2
    assert record.metrics["pairs"] == sum(len(trial["wall"]) for trial in record.samples)
    assert "2 trials" in record.interval


@pytest.mark.slow
def test_every_fault_costs_its_own_variant_only(measure: Callable[..., dict[str, Record]]) -> None:
    wanted = {
        "sleepy": "ok",
        "unsupported": "unsupported",
        "off": "invalid",
        "memory-1": "oom",
        "killed-9": "crashed",  # while it warms up
        "retraces-55": "error",  # in the rounds
    }
    records = measure(*wanted)
    assert {execution: record.outcome for execution, record in records.items()} == wanted
    assert records["sleepy"].reason == "" and all(records[e].reason for e in wanted if e != "sleepy")
    for execution in wanted.keys() - {"sleepy"}:
        assert "ratio_flops" in records[execution].metrics and "ratio" not in records[execution].metrics
    assert records["retraces-55"].samples[0]["wall"], "what was measured before the fault is kept"
    assert records["killed-9"].metrics["gradient_error"] < 1e-6, "what was verified before the fault is kept"
