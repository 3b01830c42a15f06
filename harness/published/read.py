"""Reads the published times."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ..records.record import Record

_FOLDER = Path(__file__).parent
_ABOUT = ("sources", "families")  # files that have no times
ERAS = ((0, 2018), (2019, 2023), (2024, 9999))  # first and last year
_CONSUMER = ("geforce", "gtx", "rtx", "titan")  # words in the name of such a GPU


@dataclass(frozen=True)
class Source:
    """Where times were published: its key, the year, the address, and what was timed."""

    key: str
    year: int
    url: str
    measured: str


@dataclass(frozen=True)
class Published:
    """One published measurement: milliseconds of forward and backward, and where and on what they were taken.

    `device` is the class of the hardware: cpu, consumer gpu or server gpu.
    """

    family: str
    source: Source
    model: str
    device: str
    hardware: str
    software: str
    precision: str
    forward_ms: float
    backward_ms: float

    @property
    def ratio(self) -> float:
        """Backward over forward."""
        return self.backward_ms / self.forward_ms

    @property
    def era(self) -> tuple[int, int]:
        """The first and the last year of the span in which it was published."""
        return era(self.source.year)


def era(year: int) -> tuple[int, int]:
    """Return the first and last year of the span that a year belongs to."""
    return next(span for span in ERAS if span[0] <= year <= span[1])


@cache
def sources() -> dict[str, Source]:
    """Read the sources, by key."""
    return {
        row["source"]: Source(row["source"], int(row["year"]), row["url"], row["measured"]) for row in _rows("sources")
    }


@cache
def published(family: str) -> tuple[Published, ...]:
    """Read the measurements of a family; there may be none."""
    stem = family.replace(" ", "-")
    files = [path.stem for path in sorted(_FOLDER.glob(f"{stem}*.csv")) if path.name.partition(".")[0] == stem]
    return tuple(
        Published(
            family,
            sources()[row["source"]],
            row["model"],
            row["device"],
            row["hardware"],
            row["software"],
            row["precision"],
            float(row["forward_ms"]),
            float(row["backward_ms"]),
        )
        for file in files
        for row in _rows(file)
    )


@cache
def families() -> dict[str, str]:
    """Read the family of each model, and of each op as `op NAME`."""
    return {row["model"]: row["family"] for row in _rows("families")}


def family_of(record: Record) -> str:
    """Return the family of a record's workload; empty if nothing was published on it."""
    op = record.workload["sizes"].get("op")
    return families().get(f"op {op}" if op else record.model, "")


def device_class(record: Record) -> str:
    """Return the class of the hardware that a record was measured on, as `Published.device` has it."""
    if record.device == "cpu":
        return "cpu"
    name = record.machine["gpus"][0].lower()
    return "consumer gpu" if any(word in name for word in _CONSUMER) else "server gpu"


def _rows(stem: str) -> list[dict[str, str]]:
    with (_FOLDER / f"{stem}.csv").open(newline="") as file:
        return list(csv.DictReader(file))
