"""A study's `jobs`: lines that are swept as if they were typed, and studies that start others."""

from __future__ import annotations

from typing import Any

import pytest

from harness.errors import UserError
from tests.helpers.typed import asked, planned

TINY = ("variants=numpy", "device=cpu")

pytestmark = pytest.mark.usefixtures("hydra_is_there")


def started(*overrides: str) -> dict[str, list[dict[str, Any]]]:
    """By study, the sizes and choices of each job."""
    found: dict[str, list[dict[str, Any]]] = {}
    for one in asked(*overrides, *TINY):
        found.setdefault(one.study, []).append(one.job.workload.as_dict())
    return found


def sizes(jobs: list[dict[str, Any]], name: str) -> list[Any]:
    return [job["sizes"][name] for job in jobs]


def test_without_lines_a_job_is_itself() -> None:
    (jobs,) = started("model.depth=3").values()
    assert sizes(jobs, "depth") == [3]


def test_each_line_is_swept() -> None:
    (jobs,) = started("jobs=['model.depth=1,2','model.depth=3 gradients=both,params']").values()
    assert sizes(jobs, "depth") == [1, 2, 3, 3]
    assert [job["gradients"] for job in jobs] == ["params", "params", "both", "params"]


def test_what_the_user_gives_stands_instead_of_a_lines() -> None:
    (jobs,) = started("jobs=['model.depth=1,2 model.width=8,16']", "model.depth=5").values()
    assert list(zip(sizes(jobs, "depth"), sizes(jobs, "width"), strict=True)) == [(5, 8), (5, 16)]


def test_a_study_is_a_sweep_of_its_own_with_its_lines() -> None:
    found = started("jobs=['study=why/multiplies','study=why/no_caching']", "model.width=8")
    assert list(found) == ["study=why/multiplies", "study=why/no_caching"]
    assert [sizes(jobs, "depth") for jobs in found.values()] == [[3, 6], [6]]
    assert {width for jobs in found.values() for width in sizes(jobs, "width")} == {8}


@pytest.mark.slow
def test_a_study_that_starts_others_gives_each_its_folder_and_claim() -> None:
    sweeps = planned("study=why", *TINY, "sweep=mine")
    claims = {sweep.claim.text for sweep in sweeps if sweep.claim}
    assert len({sweep.folder for sweep in sweeps}) == len(claims) == len(sweeps) == 11
    assert all(job.folder.name == "mine" for sweep in sweeps for job in sweep.jobs)


def test_the_same_work_in_two_lines_is_refused() -> None:
    with pytest.raises(UserError, match="measured twice"):
        planned("jobs=['model.depth=1,2','model.depth=2']", *TINY)


def test_swept_by_the_user_a_study_keeps_one_sweep() -> None:
    (sweep,) = planned("study=why/multiplies", "seed=1,2", *TINY)
    assert len(sweep.jobs) == 4
