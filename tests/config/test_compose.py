"""A study's `jobs`: lines that are swept as if they were typed, and studies that start others."""

from __future__ import annotations

import pytest

from harness.config.compose import jobs_of
from harness.errors import UserError
from harness.sweep.callback import sweeps

TINY = ("variants=numpy", "device=cpu")


@pytest.fixture
def started(composed):
    """`started(*overrides)`: by study, the sizes and choices of each job."""
    composed()

    def start(*overrides):
        found = jobs_of("config", (*overrides, *TINY))
        return {study: [job.workload.as_dict() for job in jobs] for study, jobs in found.items()}

    return start


def sizes(jobs, name):
    return [job["sizes"][name] for job in jobs]


def test_without_lines_a_job_is_itself(started):
    (jobs,) = started("model.depth=3").values()
    assert sizes(jobs, "depth") == [3]


def test_each_line_is_swept(started):
    (jobs,) = started("jobs=['model.depth=1,2','model.depth=3 gradients=both,params']").values()
    assert sizes(jobs, "depth") == [1, 2, 3, 3]
    assert [job["gradients"] for job in jobs] == ["params", "params", "both", "params"]


def test_what_the_user_gives_stands_instead_of_a_lines(started):
    (jobs,) = started("jobs=['model.depth=1,2 model.width=8,16']", "model.depth=5").values()
    assert list(zip(sizes(jobs, "depth"), sizes(jobs, "width"), strict=True)) == [(5, 8), (5, 16)]


def test_a_study_is_a_sweep_of_its_own_with_its_lines(started):
    found = started("jobs=['study=why/multiplies','study=why/no_caching']", "model.width=8")
    assert list(found) == ["study=why/multiplies", "study=why/no_caching"]
    assert [sizes(jobs, "depth") for jobs in found.values()] == [[3, 6], [6]]
    assert {width for jobs in found.values() for width in sizes(jobs, "width")} == {8}


def test_a_study_that_starts_others_gives_each_its_folder_and_claim(composed):
    composed()
    plans = sweeps("config", [("study=why", *TINY, "sweep=mine")])
    assert len({plan.jobs[0].folder for plan in plans}) == len(plans) == 11
    assert all(job.folder.name == "mine" and job.claim == plan.jobs[0].claim for plan in plans for job in plan.jobs)


def test_the_same_work_in_two_lines_is_refused(composed):
    composed()
    with pytest.raises(UserError, match="measured twice"):
        sweeps("config", [("jobs=['model.depth=1,2','model.depth=2']", *TINY)])


def test_swept_by_the_user_a_study_keeps_one_sweep(composed):
    composed()
    (plan,) = sweeps("config", [("study=why/multiplies", f"seed={seed}", *TINY) for seed in (1, 2)])
    assert len(plan.jobs) == 4
