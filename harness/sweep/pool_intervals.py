"""Gives a finished sweep the intervals that its processes allow together, in its records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..measure.machine.description import identity
from ..records import calibration
from ..records.pooled_intervals import pooled
from ..records.record import Record


def pool_intervals(records: Sequence[Record], results: Path, folder: Path) -> list[Record]:
    """Recompute the intervals of a finished sweep from the spread of all its processes; write the records that change.

    Until then, the interval of a record rests on its own cell alone. Calling this again changes nothing.

    Args:
        records: the sweep's records with their samples; one without samples is returned as it is.
        results: the folder that holds the self-check of the machine that measured them, if there was one.
        folder: the folder of the records.

    Raises:
        UserError: a record cannot be written, or the self-check is corrupt.
    """
    if not records:
        return []
    pooled_records = pooled(records, calibration.load(results, identity(records[0].machine)))
    for before, after in zip(records, pooled_records, strict=True):
        if after != before:
            after.write(folder)
    return pooled_records
