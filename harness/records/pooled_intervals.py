"""The intervals of a sweep's ratios, by what all of its cells say of how far processes differ.

Two trials of one cell say little of that, and those of all cells of a framework much. Frameworks are kept apart:
TensorFlow and JAX differ from process to process by more than torch does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from ..measure.pooling import informed, pooled_spread
from ..measure.stats import SIGMA_FLOOR, within
from .calibration import Calibration, Spread
from .intervals import intervals, log_ratios
from .record import Record

QUANTITIES = ("ratio", "marginal")


def pooled(records: Sequence[Record], calibration: Calibration) -> list[Record]:
    """Return the records of a sweep with the intervals that all of them together allow.

    What was measured stays as it is. Records of one trial, or without samples, are returned unchanged. The calibration
    has what is known or assumed beforehand.
    """
    families: dict[tuple[str, str, int], list[Record]] = defaultdict(list)
    for record in records:
        if len(record.samples) > 1 and record.outcome == "ok":
            families[record.framework, record.device, record.threads].append(record)
    spreads = {key: _spreads(family) for key, family in families.items()}
    return [
        _with_intervals(record, calibration.of(record), *spreads[record.framework, record.device, record.threads])
        if len(record.samples) > 1 and record.outcome == "ok"
        else record
        for record in records
    ]


def _spreads(family: Sequence[Record]) -> tuple[dict[str, tuple[float, float] | None], int]:
    """The spread of each quantity over the processes of one framework, and their number, disturbed cells left out."""
    quiet = [record for record in family if not record.noise]
    estimates = {
        name: [[within(log_ratios(trial["seconds"], name)) for trial in record.samples] for record in quiet]
        for name in QUANTITIES
    }
    spreads = {
        name: pooled_spread(
            [[estimate.centre for estimate in cell] for cell in cells],
            [[estimate.se for estimate in cell] for cell in cells],
            SIGMA_FLOOR,
            least_df=1,
        )
        for name, cells in estimates.items()
    }
    return spreads, sum(len(record.samples) for record in quiet)


def _with_intervals(
    record: Record, beforehand: Spread, spreads: dict[str, tuple[float, float] | None], processes: int
) -> Record:
    """A copy of a record with its intervals by the spread of its framework's processes."""
    if not processes:
        return record
    informed_by = {name: informed((beforehand.sigma[name], beforehand.df), spreads[name]) for name in QUANTITIES}
    spread = Spread(
        beforehand.sigma | {name: sigma for name, (sigma, _) in informed_by.items()},
        beforehand.processes,
        min(df for _, df in informed_by.values()),
        processes,
    )
    metrics, contains = intervals([trial["seconds"] for trial in record.samples], spread)
    return replace(record, metrics=record.metrics | metrics, interval=contains)
