"""How long a job will take, from what its variants took before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from harness.job import Job, Variant
from harness.measure.energy import LOOP_S
from harness.records.record import Record
from harness.sweep.forecast import (
    CACHED_SHARE,
    HAND_OVER_S,
    ON_A_GPU_S,
    UNSEEN_S,
    USUAL_WARM_S,
    Forecast,
    forecast,
)
from harness.workload.workload import Workload
from tests.helpers.jobs import COMPILE, EAGER, job_of

EACH_S = USUAL_WARM_S + 8.0  # warm-up, and rounds until the budget is spent


@pytest.fixture
def job(tiny: Workload, tmp_path: Path) -> Job:
    return job_of(tiny, tmp_path)


@pytest.fixture
def before(job: Job, record: Callable[..., Record]) -> Callable[..., Record]:
    """A record that says how long its variant took."""

    def make(set_up_s: float, measuring_s: float, **changes: Any) -> Record:
        metrics = {"set_up_s": set_up_s, "measuring_s": measuring_s, "first_forward_s": 30.0, "first_backward_s": 18.0}
        return record(metrics=metrics, measure=asdict(job.measure), **changes)

    return make


def test_what_was_never_measured_takes_its_whole_budget(job: Job) -> None:
    told = forecast(job, {EAGER: [], COMPILE: []})
    assert told == Forecast(2 * EACH_S + UNSEEN_S + 2 * HAND_OVER_S)
    assert str(told) == "about 33 seconds on an idle machine"


def test_a_warm_up_takes_no_longer_than_it_may(job: Job) -> None:
    short = replace(job, measure=replace(job.measure, warm_s=0.5))
    assert forecast(short, {EAGER: []}) == Forecast(0.5 + 8.0 + UNSEEN_S + HAND_OVER_S)


def test_what_is_asked_about_a_device_takes_its_time_once_for_each_variant(job: Job) -> None:
    on_a_gpu = replace(job, device=replace(job.device, name="cuda"), measure=replace(job.measure, trials=2))
    without = forecast(replace(on_a_gpu, device=job.device), {EAGER: [], COMPILE: []}).seconds
    assert forecast(on_a_gpu, {EAGER: [], COMPILE: []}).seconds == without + 2 * ON_A_GPU_S
    with_energy = replace(job, measure=replace(job.measure, trials=2, energy=True))
    assert forecast(with_energy, {EAGER: [], COMPILE: []}).seconds == without + 2 * 4 * LOOP_S


def test_what_was_measured_in_the_same_way_takes_about_as_long_as_the_last_time(
    job: Job, before: Callable[..., Record]
) -> None:
    told = forecast(job, {EAGER: [before(70, 9), before(60, 3)]})
    assert told == Forecast(60 + 3 + HAND_OVER_S)
    assert str(told) == "about 64 seconds on an idle machine"


def test_another_budget_is_spent_whole(job: Job, before: Callable[..., Record]) -> None:
    longer = replace(job, measure=replace(job.measure, budget_s=20.0))
    assert forecast(longer, {EAGER: [before(60, 3)]}) == Forecast(60 + USUAL_WARM_S + 20 + HAND_OVER_S)


def test_two_are_set_up_at_a_time_in_order(job: Job, before: Callable[..., Record]) -> None:
    third = Variant("torch", "third")
    took = {EAGER: [before(70, 3)], COMPILE: [before(10, 3)] * 2, third: [before(20, 3)]}
    assert forecast(job, took).seconds == 70 + 3 * (3 + HAND_OVER_S)
    assert forecast(job, dict(reversed(took.items()))).seconds == 80 + 3 * (3 + HAND_OVER_S)


def test_only_the_first_compile_of_a_cached_execution_is_left_out(job: Job, before: Callable[..., Record]) -> None:
    def set_up_s(variant: Variant, *records: Record) -> float:
        return forecast(job, {variant: records}).seconds - 3 - HAND_OVER_S

    first, again = before(60, 3), before(60, 3, remeasured="because of redo=all")
    assert set_up_s(COMPILE, first) == pytest.approx(60 - 48 * (1 - CACHED_SHARE))
    assert set_up_s(COMPILE, again) == set_up_s(COMPILE, first, first) == set_up_s(EAGER, first) == 60


def test_every_trial_starts_fresh_processes(job: Job, before: Callable[..., Record]) -> None:
    three = replace(job, measure=replace(job.measure, trials=3))
    record = before(60, 20)
    record.measure = asdict(three.measure)
    assert forecast(three, {EAGER: [record]}).seconds == 20 + 3 * (60 + HAND_OVER_S)


def test_jobs_add_up() -> None:
    assert Forecast(60) + Forecast(30) == Forecast(90)
    assert str(sum([Forecast(60), Forecast(120)], Forecast())) == "about 3.0 minutes on an idle machine"
