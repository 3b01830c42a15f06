"""Gives a finished sweep the intervals that its processes allow together, in its records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..measure.machine.description import identity
from ..records import calibration
from ..records.pooled_intervals import pooled
from ..records.record import Record


def pool_intervals(records: Sequence[Record], results: Path, folder: Path) -> list[Record]:
    """Return the records of a sweep with intervals by the spread of all its processes, and write those that change.

    A record that was made as its cell was measured knows of no other cell. To pool twice changes nothing.

    Args:
        records: with their samples; those without stay as they are.
        results: the folder that has this machine's self-check, if there is one.
        folder: that of the records.

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
