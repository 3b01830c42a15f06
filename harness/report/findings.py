"""The records of a sweep, in order and with names: what every section of its page is made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..claims.verdicts import StudyVerdict
from ..records.calibration import Calibration
from ..records.record import Record
from ..views.answer import is_conclusive, place
from ..views.table import Table


@dataclass(frozen=True)
class Findings:
    """A finished sweep.

    Attributes:
        folder: the folder of its records, and of what stands beside them.
        table: its records, with their names and notes.
        workloads: the name of each record's workload, with its machine if there are several.
        calibration: what is known of this machine's noise.
        verdict: the verdict on its claim; None if it has none.
        missing: a sentence for each planned record that cannot be read.
    """

    folder: Path
    table: Table
    workloads: Sequence[str]
    calibration: Calibration
    verdict: StudyVerdict | None
    missing: Sequence[str]

    @classmethod
    def of(
        cls,
        folder: Path,
        records: Sequence[Record],
        calibration: Calibration,
        verdict: StudyVerdict | None = None,
        missing: Sequence[str] = (),
    ) -> Findings:
        """Name the records of a sweep; those of a workload stand together."""
        table = Table.of(records)
        places = [place(record) for record in table.records]
        several = len(set(places)) > 1
        names = [
            f"{label}, {where}" if several else label for label, where in zip(table.workloads, places, strict=True)
        ]
        return cls(folder, table, names, calibration, verdict, missing)

    @property
    def name(self) -> str:
        """`study/sweep`."""
        return f"{self.folder.parent.name}/{self.folder.name}"

    @property
    def records(self) -> Sequence[Record]:
        """The records, those of a workload together."""
        return self.table.records

    @property
    def variants(self) -> Sequence[str]:
        """What each record's variant is called."""
        return self.table.variants

    @cached_property
    def conclusive(self) -> list[int]:
        """The records, by number, whose ratio has an interval that tells something."""
        return [i for i, record in enumerate(self.records) if record.outcome == "ok" and is_conclusive(record)]

    @cached_property
    def conclusive_set(self) -> frozenset[int]:
        """`conclusive` as a set, for membership tests."""
        return frozenset(self.conclusive)

    @property
    def inconclusive(self) -> list[int]:
        """The records that were measured and whose ratio cannot be told."""
        return [i for i, record in enumerate(self.records) if record.outcome == "ok" and not is_conclusive(record)]

    @property
    def failed(self) -> list[int]:
        """The records without a measurement."""
        return [i for i, record in enumerate(self.records) if record.outcome != "ok"]

    def marks(self, number: int, column: str) -> str:
        """The marks of the notes on one entry of the table."""
        return "".join(note.mark for note in self.table.notes if note.column == column and number in note.rows)

    def by_workload(self, numbers: Sequence[int]) -> dict[str, list[int]]:
        """Group records by the name of their workload."""
        groups: dict[str, list[int]] = {}
        for number in numbers:
            groups.setdefault(self.workloads[number], []).append(number)
        return groups

    def full_name(self, number: int) -> str:
        """What a record is called outside its group."""
        return f"{self.workloads[number]} {self.variants[number]}"
