"""The self-check finds the truth where it is known, and fails where the instrument is off."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from harness.errors import UserError
from harness.measure.clock import Samples
from harness.measure.comparison import Answer
from harness.measure.rounds import Run
from harness.selfcheck import checks, simulated_checks
from harness.selfcheck import processes as fresh
from harness.selfcheck.__main__ import run as check_machine
from harness.selfcheck.simulate import SimulatedWorker


def process(seed: int, delay: bool = True) -> dict[str, Samples]:
    """The cells of one process, as rounds leave them."""
    worker = SimulatedWorker(simulated_checks.SECONDS, np.random.default_rng(seed), pair=0.04)
    stretches = checks.CELLS if delay else dict.fromkeys(checks.CELLS, 0.0)
    runs = {cell: Run(worker, 1, 0.046, stretch) for cell, stretch in stretches.items()}  # type: ignore[arg-type]
    for _ in range(24):
        for run in runs.values():
            run.samples.extend(worker.measure(1, 4, 1, run.stretch))
    return {cell: run.samples for cell, run in runs.items()}


@pytest.fixture(scope="module")
def processes() -> list[dict[str, Samples]]:
    return [process(seed) for seed in range(15)]


def real(processes: list[dict[str, Samples]], about: str) -> checks.Check:
    """The one check whose name says so."""
    (found,) = (check for check in checks.real_checks(processes) if about in check.name)
    return found


def test_the_same_cell_twice_is_the_same(processes: list[dict[str, Samples]]) -> None:
    assert checks.judge(processes, "again")[0] is Answer.SAME
    assert real(processes, "the same").seen.startswith("in 3 of 3 sets")


def test_the_delay_is_found_and_measured(processes: list[dict[str, Samples]]) -> None:
    answer, change, _ = checks.judge(processes, "delayed")
    assert answer is Answer.SLOWER
    assert change == pytest.approx(checks.DELAY, abs=0.01)
    assert real(processes, "delay of 5%").good


def test_a_slight_delay_is_found_by_five_processes(processes: list[dict[str, Samples]]) -> None:
    check = real(processes, "delay of 2%")
    assert check.good and check.seen.startswith("in 3 of 3 sets"), check


def test_no_delay_is_not_called_slower() -> None:
    undelayed = [process(seed, delay=False) for seed in range(15)]
    assert checks.judge(undelayed, "delayed")[0] is not Answer.SLOWER
    assert not real(undelayed, "delay of 5%").good
    assert not real(undelayed, "delay of 2%").good


def test_a_cell_that_differs_from_itself_is_caught(processes: list[dict[str, Samples]]) -> None:
    differing = [cells | {"again": cells["slightly"]} for cells in processes]
    assert not real(differing, "the same").good


def test_too_few_processes_to_judge_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="4 processes says nothing; it takes 10"):
        check_machine(tmp_path, processes=4)


def test_what_differs_between_processes_is_recovered(processes: list[dict[str, Samples]]) -> None:
    found = fresh.spread([p["once"] for p in processes])
    assert found.processes == 15
    assert 0.008 < found.sigma["ratio"] < 0.025  # the simulation's is 0.015


@pytest.mark.slow
def test_simulated_intervals_hold_the_truth_and_equal_is_called_the_same() -> None:
    found = simulated_checks.simulated_checks(sigma=0.015, pair=0.06, processes=8)
    assert all(check.good for check in found), found


def test_intervals_that_believe_in_a_quieter_machine_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here processes differ three times as much as the self-check says."""
    monkeypatch.setattr(simulated_checks, "sigma_of", lambda found: fresh.sigma_of(found) / 3)
    monkeypatch.setattr(simulated_checks, "TWICE", 1)  # not what this is about
    found = simulated_checks.simulated_checks(sigma=0.015, pair=0.06, processes=8)
    assert [check.good for check in found if "coverage" in check.name] == [False]


@pytest.mark.slow
def test_a_noisy_machine_is_told_how_many_processes_call_equal_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated_checks, "REPEATS", 20)  # not what this is about
    same = simulated_checks.simulated_checks(sigma=0.015, pair=0.16, processes=8)[-1]
    assert same.good, same
    few, more = (int(share) for share in re.findall(r"in (\d+)%", same.seen))
    assert few < 95 <= more
    assert "measure.trials" in same.seen


@pytest.mark.slow
def test_a_machine_that_never_calls_equal_equal_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated_checks, "REPEATS", 20)
    monkeypatch.setattr(simulated_checks, "TWICE", 20)
    monkeypatch.setattr(simulated_checks, "MOST_PROCESSES", 6)
    assert not simulated_checks.simulated_checks(sigma=0.015, pair=0.3, processes=8)[-1].good


def installed_names() -> list[str]:
    return [str(checked) for checked in fresh.installed()]


def test_what_is_installed_is_checked_torch_first() -> None:
    assert installed_names()[0] == "torch-eager" and len(installed_names()) == 6


def test_without_a_framework_numpy_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh, "find_spec", lambda name: None)
    assert installed_names() == ["numpy-by_hand"]
