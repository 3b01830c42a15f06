"""The self-check finds the truth where it is known, and fails where the instrument is off."""

from __future__ import annotations

import numpy as np
import pytest

from harness import selfcheck
from harness.errors import UserError
from harness.findings import calibration
from harness.measure.clock import Samples
from harness.measure.rounds import Run
from harness.measure.simulate import SimulatedWorker
from harness.measure.verdict import Answer

SECONDS = {"inference": 6e-3, "forward": 7e-3, "backward": 13e-3, "gradient": 20e-3}


def simulated(seed: int, delay: bool = True) -> dict[str, Samples]:
    """The cells of one process, as rounds leave them."""
    worker = SimulatedWorker(SECONDS, np.random.default_rng(seed), pair=0.04)
    stretches = selfcheck.CELLS if delay else dict.fromkeys(selfcheck.CELLS, 0.0)
    runs = {cell: Run(worker, 1, 0.046, stretch) for cell, stretch in stretches.items()}  # type: ignore[arg-type]
    for _ in range(24):
        for run in runs.values():
            run.samples.extend(Samples(**worker.ask("measure", 1, cycles=4, repeat=1, stretch=run.stretch)))
    return {cell: run.samples for cell, run in runs.items()}


@pytest.fixture(scope="module")
def processes():
    return [simulated(seed) for seed in range(15)]


def test_the_same_cell_twice_is_the_same(processes):
    assert selfcheck.judge(processes, "again")[0] is Answer.SAME


def test_the_delay_is_found_and_measured(processes):
    answer, change, _ = selfcheck.judge(processes, "delayed")
    assert answer is Answer.SLOWER
    assert change == pytest.approx(selfcheck.DELAY, abs=0.01)


def test_a_slight_delay_is_found_by_five_processes(processes):
    check = selfcheck.slight_delay_check(processes)
    assert check.good and check.seen.startswith("in 3 of 3 sets"), check


def test_no_delay_is_not_called_slower():
    undelayed = [simulated(seed, delay=False) for seed in range(15)]
    assert selfcheck.judge(undelayed, "delayed")[0] is not Answer.SLOWER
    assert not selfcheck.slight_delay_check(undelayed).good


def test_fewer_than_five_processes_cannot_show_a_slight_delay(processes):
    assert not selfcheck.slight_delay_check(processes[:4]).good


def test_what_differs_between_processes_is_recovered(processes):
    found = selfcheck.estimates([p["once"] for p in processes], "ratio")
    assert 0.008 < selfcheck.sigma_of(found) < 0.025  # the simulation's is 0.015


def test_simulated_intervals_hold_the_truth():
    checks = selfcheck.simulated_checks(sigma=0.015, pair=0.06)
    assert all(check.good for check in checks), checks


def test_intervals_from_a_sigma_of_a_quieter_machine_are_caught(monkeypatch):
    """Here processes differ three times as much as the check believes."""
    honest = selfcheck.SimulatedWorker

    def noisier(*arguments, process, **rest):
        return honest(*arguments, process=3 * process, **rest)

    monkeypatch.setattr(selfcheck, "SimulatedWorker", noisier)
    assert not all(check.good for check in selfcheck.simulated_checks(sigma=0.015, pair=0.06))


def test_a_stored_self_check_is_used_on_its_machine_only(tmp_path):
    sigma = {"ratio": 0.01}
    calibration.store(tmp_path, calibration.Calibration("this", "2026", sigma, 20, "floor"))
    assert calibration.load(tmp_path, "this").sigma == sigma
    assert not calibration.load(tmp_path, "other").measured


def test_a_corrupt_self_check_is_named(tmp_path):
    (tmp_path / "selfcheck.json").write_text('{"machine": "th')
    with pytest.raises(UserError, match=r"selfcheck\.json: not a whole self-check"):
        calibration.load(tmp_path, "this")
