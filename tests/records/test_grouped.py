"""Cells of one workload that were measured in groups: which of them shared their rounds, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.measure.protocol import Failure, Outcome
from harness.measure.trial import Measured
from harness.records.build import record_of
from harness.records.calibration import assumed
from harness.records.record import Record
from harness.views.notes import notes
from harness.workload.workload import Workload
from tests.helpers.jobs import EAGER, job_of

SAID = "group 2, in rounds of its own: not all variants fitted into memory together"


@pytest.fixture
def rounds(tiny: Workload, tmp_path: Path) -> Callable[..., str]:
    """The name of the rounds that a cell was measured in, by the numbers of its groups in each trial."""

    def name(*turns: int) -> str:
        measured = Measured(failure=Failure(Outcome.ERROR, "after its trials"), turns=[*turns])
        return record_of(job_of(tiny, tmp_path), EAGER, measured, {}, assumed(""), {}, rounds="r").rounds

    return name


def test_only_cells_that_were_in_the_same_group_in_every_trial_were_measured_in_the_same_rounds(
    rounds: Callable[..., str],
) -> None:
    assert rounds(0, 0) == rounds() == "r"
    assert rounds(0, 1) == rounds(0, 1) != "r"
    assert len({rounds(*turns) for turns in ((0, 0), (0, 1), (1, 0), (1, 1), (1, 11), (11, 1))}) == 6


def test_a_record_says_with_whom_it_was_measured_and_so_does_the_table(
    tiny: Workload, tmp_path: Path, record: Callable[..., Record]
) -> None:
    measured = Measured({"torch": "2.13"}, failure=Failure(Outcome.OOM, "no memory"), group=SAID)
    made = record_of(job_of(tiny, tmp_path), EAGER, measured, {}, assumed(""), {})
    assert made.described == {"torch": "2.13", "group": SAID}
    plain, grouped = record(), record(described={"group": SAID})
    (note,) = notes([plain, grouped], ["plain", "grouped"])
    assert note.rows == {1}
    said = "measured in groups, since not all variants fitted into memory together"
    assert note.sentence == f"{said}: grouped, group 2, in rounds of its own"
