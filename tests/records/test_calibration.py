"""The stored self-check: for which records it is used, and how much it weighs there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.base import PHASES
from harness.errors import UserError
from harness.measure.stats import PRIOR_DF, moderated
from harness.paths import ROOT
from harness.records import calibration
from harness.records.calibration import ASSUMED, Calibration, Spread
from harness.records.record import Record


@pytest.fixture
def plain(record: Callable[..., Record]) -> Record:
    return record(framework="torch", execution="eager", device="cpu", threads=2, memory="kept")


@pytest.fixture
def stored(plain: Record, tmp_path: Path) -> Calibration:
    found = Calibration("this", "2026", plain.workload, 2, {"torch-eager": Spread({"ratio": 0.01}, 20, 19)}, "floor")
    calibration.store(tmp_path, found)
    return found


def test_it_is_used_on_its_machine_only(stored: Calibration, tmp_path: Path) -> None:
    assert calibration.load(tmp_path, "this") == stored
    assert calibration.load(tmp_path, "other") == calibration.assumed("other")


def test_it_weighs_by_its_processes_for_the_program_that_was_checked(stored: Calibration, plain: Record) -> None:
    assert stored.of(plain) == stored.spreads["torch-eager"]


@pytest.mark.parametrize("what", ["workload", "choices"])
def test_another_program_may_differ_more(stored: Calibration, plain: Record, what: str) -> None:
    changes: dict[str, Any] = {"workload": {"seed": 99}, "choices": {"residuals": "all"}}
    other = replace(plain, **{what: getattr(plain, what) | changes[what]})
    assert stored.of(other) == Spread({"ratio": 0.01}, 20, PRIOR_DF)


@pytest.mark.parametrize(
    "change", [{"execution": "compile"}, {"device": "cuda"}, {"memory": "returned"}, {"threads": 1}], ids=str
)
def test_what_was_not_checked_goes_by_the_assumption(
    stored: Calibration, plain: Record, change: dict[str, Any]
) -> None:
    assert stored.of(replace(plain, **change)) == ASSUMED


@pytest.mark.parametrize("content", ['{"machine": "th', "[]", '{"machine": "this", "spreads": {"torch-eager": 1}}'])
def test_a_corrupt_one_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "selfcheck.json").write_text(content)
    with pytest.raises(UserError, match=r"selfcheck\.json: not a whole self-check"):
        calibration.load(tmp_path, "this")


@pytest.mark.parametrize("processes", [1, 3, 5])
def test_the_assumption_covers_processes_that_differ_as_much_as_was_seen(processes: int) -> None:
    """2.1 % between fresh processes of one program, on a shared machine; each is known to 0.3 % by itself."""
    generator, inside = np.random.default_rng(11), 0.003
    found = [
        moderated(centres, [inside] * processes, ASSUMED.sigma["ratio"], ASSUMED.df)
        for centres in generator.normal(0, np.hypot(0.021, inside), (2000, processes))
    ]
    assert np.mean([abs(estimate.centre) <= estimate.half_width() for estimate in found]) >= 0.945


def test_the_assumption_is_the_one_that_is_told() -> None:
    assert ASSUMED.sigma == {"ratio": 0.02, "marginal": 0.02} | dict.fromkeys(PHASES, 0.05)
    assert "an assumption of 2 %" in (ROOT / "harness/measure/README.md").read_text().replace("\n", " ")
    assert "assumed" in ASSUMED.source
