"""The stored self-check: for which records it is used, and how much it weighs there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.errors import UserError
from harness.findings import calibration
from harness.findings.calibration import ASSUMED, ASSUMED_DF, Calibration, Spread


@pytest.fixture
def plain(record):
    return record(framework="torch", execution="eager", device="cpu", threads=2, memory="kept")


@pytest.fixture
def stored(plain, tmp_path) -> Calibration:
    found = Calibration("this", "2026", plain.workload, 2, {"torch-eager": Spread({"ratio": 0.01}, 20, 19)}, "floor")
    calibration.store(tmp_path, found)
    return found


def test_it_is_used_on_its_machine_only(stored, tmp_path):
    assert calibration.load(tmp_path, "this") == stored
    assert calibration.load(tmp_path, "other") == calibration.assumed("other")


def test_it_weighs_by_its_processes_for_the_program_that_was_checked(stored, plain):
    assert stored.of(plain) == stored.spreads["torch-eager"]


@pytest.mark.parametrize("what", ["workload", "choices"])
def test_another_program_may_differ_more(stored, plain, what):
    change = {"workload": plain.workload | {"seed": 99}, "choices": plain.choices | {"residuals": "all"}}[what]
    assert stored.of(replace(plain, **{what: change})) == Spread({"ratio": 0.01}, 20, ASSUMED_DF)


@pytest.mark.parametrize(
    "change", [{"execution": "compile"}, {"device": "cuda"}, {"memory": "returned"}, {"threads": 1}], ids=str
)
def test_what_was_not_checked_goes_by_the_assumption(stored, plain, change):
    assert stored.of(replace(plain, **change)) == ASSUMED


def test_one_of_an_older_version_is_passed_over(tmp_path):
    (tmp_path / "selfcheck.json").write_text('{"machine": "this", "sigma": {"ratio": 0.01}}')
    assert calibration.load(tmp_path, "this") == calibration.assumed("this")


@pytest.mark.parametrize("content", ['{"machine": "th', "[]", '{"machine": "this", "spreads": {"torch-eager": 1}}'])
def test_a_corrupt_one_is_named(tmp_path, content):
    (tmp_path / "selfcheck.json").write_text(content)
    with pytest.raises(UserError, match=r"selfcheck\.json: not a whole self-check"):
        calibration.load(tmp_path, "this")
