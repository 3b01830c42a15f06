"""Records of cold and of warm caches are never taken for each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.measure.machine.description import describe
from harness.sweep.outstanding import outstanding
from harness.views.matching import match, remarks
from harness.workload.workload import Workload
from tests.helpers.jobs import EAGER, PLAIN, finished, job_of


def test_a_cell_that_was_measured_the_other_way_is_measured_again(tiny: Workload, tmp_path: Path) -> None:
    warm = job_of(tiny, tmp_path, variants=(EAGER,))
    cold = replace(warm, measure=replace(warm.measure, cache="cold"))
    for before, after, change in ((warm, cold, "was warm and is cold"), (cold, warm, "was cold and is warm")):
        finished(before, EAGER, PLAIN).write(before.folder)
        assert outstanding(before, describe()) == {}
        assert outstanding(after, describe()) == {EAGER: f"because measure.cache {change}"}


def test_a_comparison_names_the_difference(tiny: Workload, tmp_path: Path) -> None:
    warm = finished(job_of(tiny, tmp_path), EAGER, PLAIN)
    cold = replace(warm, measure=warm.measure | {"cache": "cold"})
    assert "measure.cache is warm in A and cold in B" in remarks(match([warm], [cold], force=False))
