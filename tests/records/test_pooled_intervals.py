"""The intervals of a sweep by the spread of all its processes: they hold the truth as often as they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from harness.measure.pooling import informed
from harness.paths import ROOT
from harness.records.calibration import assumed
from harness.records.intervals import intervals
from harness.records.pooled_intervals import pooled
from harness.records.record import Record, read
from harness.sweep.pool_intervals import pool_intervals
from tests.helpers.jobs import PLAIN

# How far fresh processes of one program differ, and how many cells the default study has in each framework.
SIGMAS = {"torch": 0.006, "jax": 0.025, "tensorflow": 0.02}
CELLS = {"torch": 6, "jax": 3, "tensorflow": 9}
PAIRS, PAIR_SIGMA, TRUTH = 48, 0.1, 0.6
NOBODY = assumed("here")


def trial(generator: np.random.Generator, sigma: float) -> dict[str, dict[str, list[float]]]:
    """Times of one process, whose ratio is off by `sigma` or so, and so is its training step."""
    ratio = np.exp(TRUTH + sigma * generator.standard_normal() + PAIR_SIGMA * generator.standard_normal(PAIRS))
    step = np.exp(1 + sigma * generator.standard_normal() + PAIR_SIGMA * generator.standard_normal(PAIRS))
    ones = [1.0] * PAIRS
    return {
        "seconds": {"inference": ones, "forward": ones, "backward": ratio.tolist(), "gradient": step.tolist()},
        "enqueue": {},
    }


def sweep(generator: np.random.Generator, trials: int = 2) -> list[Record]:
    """The default study's cells, as records are made one by one: with what is assumed of processes."""
    records = []
    for framework, count in CELLS.items():
        for number in range(count):
            samples = [trial(generator, SIGMAS[framework]) for _ in range(trials)]
            record = replace(PLAIN, framework=framework, cell=f"{framework}{number}", samples=samples, noise="")
            metrics, contains = intervals([sample["seconds"] for sample in samples], NOBODY.of(record))
            records.append(replace(record, metrics=metrics, interval=contains))
    return records


def half_widths(records: Sequence[Record]) -> list[float]:
    return [np.log(record.metrics["ratio_high"] / record.metrics["ratio_low"]) / 2 for record in records]


def holds(record: Record) -> bool:
    return bool(record.metrics["ratio_low"] <= np.exp(TRUTH) <= record.metrics["ratio_high"])


@pytest.mark.slow
def test_intervals_of_many_sweeps_hold_the_truth_and_are_narrower_than_one_assumption_makes_them() -> None:
    generator = np.random.default_rng(11)
    before, after = [], []
    for _ in range(60):
        records = sweep(generator)
        before += half_widths(records)
        after += pooled(records, NOBODY)
    coverage = {f: np.mean([holds(record) for record in after if record.framework == f]) for f in SIGMAS}
    assert 0.93 <= np.mean([holds(record) for record in after]) <= 0.98
    assert min(coverage.values()) >= 0.92, coverage
    assert np.median(half_widths(after)) < 0.9 * np.median(before)


def test_a_first_sweep_measures_enough_processes_for_narrow_intervals() -> None:
    """As many as `measure=quick` starts, where there is no self-check."""
    trials = OmegaConf.load(ROOT / "conf" / "measure" / "quick.yaml").trials
    generator = np.random.default_rng(12)
    widths: dict[int, list[float]] = {1: [], trials: []}
    for _ in range(30):
        for count in widths:
            widths[count] += half_widths(pooled(sweep(generator, count), NOBODY))
    assert np.median(widths[trials]) <= 0.6 * np.median(widths[1])


def test_what_one_framework_shows_says_nothing_of_another() -> None:
    records = sweep(np.random.default_rng(3))
    calm = [replace(r, samples=[r.samples[0]] * 2) if r.framework == "torch" else r for r in records]
    alike, mixed = pooled(records, NOBODY), pooled(calm, NOBODY)
    for one, other in zip(alike, mixed, strict=True):
        assert (one.metrics == other.metrics) == (one.framework != "torch")


def test_a_disturbed_cell_widens_no_other() -> None:
    records = sweep(np.random.default_rng(4))
    far_off = [
        *records[0].samples[:1],
        {
            "seconds": {
                p: [9 * s for s in v] if p == "backward" else v for p, v in records[0].samples[1]["seconds"].items()
            }
        },
    ]
    disturbed = replace(records[0], samples=far_off, noise="trial 2: others took 90 %")
    rest = pooled([disturbed, *records[1:]], NOBODY)[1:]
    assert max(half_widths(rest)) < 0.1
    assert max(half_widths(pooled([replace(disturbed, noise=""), *records[1:]], NOBODY)[1:6])) > 0.1


def test_one_trial_or_a_failure_is_left_as_it_is() -> None:
    single = sweep(np.random.default_rng(5), trials=1)
    assert pooled(single, NOBODY) == single
    failed = replace(PLAIN, outcome="crashed", samples=single[0].samples * 2)
    assert pooled([failed], NOBODY) == [failed]


def test_a_settled_sweep_is_written_says_what_it_rests_on_and_stays_settled(tmp_path: Path) -> None:
    records = sweep(np.random.default_rng(6))
    for record in records:
        record.write(tmp_path)
    pooled_records = pool_intervals(records, tmp_path, tmp_path)
    assert [read(tmp_path / f"{record.cell}.json") for record in records] == pooled_records != records
    assert pooled_records[0].interval.endswith("from 12 processes of this framework in the sweep and an assumption")
    assert pooled_records[0].metrics["ratio"] == records[0].metrics["ratio"], "what was measured stays"
    assert pool_intervals(pooled_records, tmp_path, tmp_path) == pooled_records
    assert pool_intervals([], tmp_path, tmp_path) == []


@pytest.mark.parametrize(
    ("beforehand", "pool", "sigma", "df"),
    [((0.02, 4), None, 0.02, 4), ((0.02, 4), (0.01, 4), (0.00025) ** 0.5, 8), ((0.02, 4), (0.01, 60), 0.0108, 12)],
)
def test_a_spread_known_beforehand_counts_by_its_weight(
    beforehand: tuple[float, float], pool: tuple[float, float] | None, sigma: float, df: float
) -> None:
    average = informed(beforehand, pool)
    assert average[0] == pytest.approx(sigma, rel=0.01) and average[1] == df
