"""Notes below a table: each sentence stands there once, and a mark shows the rows that it concerns.

A new kind of note is one entry of `_KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..measure.contention import OTHERS_LIMIT
from ..records import device_time, kernels, moved_work, split
from ..records.record import Record
from .plural import plural

_MARKS = "*†‡§¶"  # doubled when they are used up


class _Kind(NamedTuple):
    """One kind of note.

    Attributes:
        column: the column whose entries are marked.
        reason: why the note concerns a record, empty if it does not; records of the same reason share a note.
        sentence: what the note says of all its records together.
        detail: what it adds on one record, which is then named; empty if there is nothing.
    """

    column: str
    reason: Callable[[Record], str]
    sentence: Callable[[Sequence[Record]], str]
    detail: Callable[[Record], str] = lambda record: ""


@dataclass(frozen=True)
class Note:
    """A sentence below a table, its mark, and the column and rows (counted from 0) that have this mark."""

    mark: str
    column: str
    rows: frozenset[int]
    sentence: str

    def __str__(self) -> str:
        return f"{self.mark} {self.sentence}"


def notes(records: Sequence[Record], names: Sequence[str]) -> list[Note]:
    """List the notes on the records of a table, whose names are given, in the order of kinds and rows."""
    marked: list[Note] = []
    for kind in _KINDS:
        by_reason: dict[str, list[int]] = {}
        for row, record in enumerate(records):
            if reason := kind.reason(record):
                by_reason.setdefault(reason, []).append(row)
        for rows in by_reason.values():
            details = [f"{names[row]}, {detail}" for row in rows if (detail := kind.detail(records[row]))]
            sentence = kind.sentence([records[row] for row in rows])
            sentence = f"{sentence.rstrip('.')}: {'; '.join(details)}" if details else sentence
            marked.append(Note(_mark(len(marked)), kind.column, frozenset(rows), sentence))
    return marked


def _mark(number: int) -> str:
    return _MARKS[number % len(_MARKS)] * (1 + number // len(_MARKS))


def _counts(record: Record) -> str:
    """Say which phases execute other multiplies than asked for, and why."""
    phases: dict[str, list[str]] = {}
    for phase, note in record.notes.items():
        phases.setdefault(note, []).append(phase)
    return " ".join(f"{', '.join(names)}: {note}" for note, names in phases.items())


def _moved(record: Record) -> str:
    """Say how much more both passes execute than the trace has in them."""
    return " and ".join(filter(None, (moved_work.remark(record, name) for name in ("forward", "backward"))))


def _noise(records: Sequence[Record]) -> str:
    """Say how many variants were disturbed, and by how much at most."""
    one = len(records) == 1
    most = max(record.metrics.get("others_share", 0.0) for record in records)
    by = f" (others took up to {most:.0%} of the CPUs)" if most >= OTHERS_LIMIT else ""
    disturbed = f"{plural(len(records), 'variant')} {'was' if one else 'were'} disturbed while measured{by}"
    return f"noisy: {disturbed}; redo=noisy measures {'it' if one else 'them'} again"


_KINDS = (
    _Kind("matmuls F / B", _counts, lambda records: _counts(records[0]), _moved),
    _Kind(
        "matmuls F / B",
        lambda record: "again" if moved_work.recomputed(record) and not record.notes else "",
        lambda records: "backward computes again what forward did not keep, as was chosen",
        _moved,
    ),
    _Kind(
        "ratio",
        lambda record: "split" if split.differs(record) else "",
        lambda records: "the split into forward and backward is not what a training step runs",
        split.remark,
    ),
    _Kind(
        "ratio",
        lambda record: "impossible" if split.below_its_part(record) else "",
        lambda records: (
            "below what is possible: loss and gradients in one call take less time than inference, which is a part of "
            "them; is something kept from call to call?"
        ),
    ),
    _Kind(
        "variant",
        lambda record: "host-bound" if device_time.host_bound(record) else "",
        lambda records: "host-bound: the GPU waits for the host most of the time",
        device_time.remark,
    ),
    _Kind(
        "variant",
        lambda record: "events" if device_time.events_differ(record) else "",
        lambda records: "the framework's events on the GPU do not bear out its time by CUPTI",
        device_time.events_differ,
    ),
    _Kind(
        "ratio",
        lambda record: "kernel" if kernels.is_slow(record) else "",
        lambda records: f"likely a kernel problem, one pass {kernels.SLOW} times slower than the best of the same op",
        kernels.remark,
    ),
    _Kind(
        "ratio",
        lambda record: record.described.get("cache", ""),
        lambda records: f"caches {records[0].described['cache']}",
    ),
    _Kind(
        "variant",
        lambda record: "group" if "group" in record.described else "",
        lambda records: "measured in groups, since not all variants fitted into memory together",
        lambda record: record.described["group"].partition(":")[0],
    ),
    _Kind("variant", lambda record: "noise" if record.noise else "", _noise),
)
