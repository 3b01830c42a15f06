"""The record: one JSON file for one variant of one workload. Records are the truth; all else is a view."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from adapters.base import Choices

from ..errors import UserError
from ..job import Variant
from .metrics import SCHEMA

VERDICTS = "verdicts.json"  # stands beside the records of a study that has a claim
_HEAD_BYTES = 2**17  # more than anything before the samples takes


@dataclass
class Phase:
    """What is known of one phase of a variant; None where it could not be had.

    `ms` is its time, `first_s` that of its first call (trace, compile and tune). `matmuls` and `flops` are those of
    the program that runs, `note` says why they are not those of the trace, which are `asked_matmuls` and `asked_flops`
    (of forward and backward).
    """

    ms: float | None = None
    first_s: float | None = None
    matmuls: int | None = None
    flops: int | None = None
    note: str = ""
    asked_matmuls: int | None = None
    asked_flops: int | None = None

    @property
    def work_flops(self) -> int:
        """FLOPs that ran; those of the trace where they were not counted, or not all of them.

        A count has multiplies alone: it is below the trace's where XLA computes some products element by element.
        """
        return max(self.flops or 0, self.asked_flops or 0)

    @property
    def gflops(self) -> float | None:
        """GFLOP/s of `work_flops`."""
        return self.work_flops / self.ms / 1e6 if self.ms else None


@dataclass
class Record:
    """See `schema.py` for what each field says. A number that could not be had is absent, never NaN."""

    id: str
    created: str
    study: str
    sweep: str
    cell: str
    model: str
    workload: dict[str, Any]
    device: str
    threads: int
    memory: str
    framework: str
    execution: str
    choices: dict[str, Any]
    outcome: str
    reason: str = ""
    phases: dict[str, Phase] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    interval: str = ""
    floor: str = ""
    stop: list[str] = field(default_factory=list)
    noise: str = ""
    gradient_errors: dict[str, float] = field(default_factory=dict)
    described: dict[str, str] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    harness: dict[str, str] = field(default_factory=dict)
    measure: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    remeasured: str = ""
    schema: int = SCHEMA
    samples: list[dict[str, Any]] = field(default_factory=list)  # last: `read_head` stops here

    @property
    def variant(self) -> str:
        return str(Variant(self.framework, self.execution, Choices(**self.choices)))

    @property
    def notes(self) -> dict[str, str]:
        """By phase, why it does not execute the multiplies of the trace."""
        return {name: phase.note for name, phase in self.phases.items() if phase.note}

    def write(self, folder: Path) -> Path:
        """Write `<cell>.json`, whole or not at all, and on the disk before this returns. Raises UserError."""
        path = folder / f"{self.cell}.json"
        write_json(path, asdict(self))
        return path


_FIELDS = {f.name for f in fields(Record)}


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Replace the file atomically: readers see either the old content or the new. Raises UserError if it cannot."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("w") as file:
            file.write(json.dumps(data, allow_nan=False))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror}); free some space or choose results=FOLDER"
        ) from error
    finally:
        with contextlib.suppress(OSError):  # it was renamed, or never made
            draft.unlink()


class NewerSchema(UserError):
    """A record that a newer version of this program wrote."""


def read(path: Path) -> Record:
    """The record in a file. Raises UserError for one that is corrupt, not a record, or of another schema."""
    try:
        return _record(path, path.read_bytes())
    except OSError as error:
        raise _unreadable(path, error) from error


def read_head(path: Path) -> Record:
    """A record without its samples, which are most of it and are not read. Raises UserError as `read` does."""
    try:
        with path.open("rb") as file:
            head, samples, _ = file.read(_HEAD_BYTES).partition(b', "samples": ')
            file.seek(-min(2, path.stat().st_size), os.SEEK_END)
            if not samples or file.read() != b"]}":  # not as this program writes it: look closely
                return read(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    return _record(path, head + b', "samples": []}')


def _record(path: Path, content: bytes) -> Record:
    try:
        data = json.loads(content)
    except ValueError as error:
        raise UserError(f"{path}: not a whole JSON file ({error}); delete it to measure this cell again") from error
    if not isinstance(data, dict) or not isinstance(data.get("schema"), int):
        raise UserError(f"{path}: not a record of this program; move it elsewhere")
    if data["schema"] > SCHEMA:
        raise NewerSchema(f"{path}: schema {data['schema']} is newer than this program's {SCHEMA}; update the program")
    if data["schema"] < SCHEMA:
        raise UserError(f"{path}: schema {data['schema']} is of an older version of this program; measure it again")
    if data.keys() != _FIELDS:
        raise UserError(f"{path}: {', '.join(sorted(data.keys() ^ _FIELDS))} missing or unknown; delete the file")
    try:
        phases = {name: Phase(**phase) for name, phase in data["phases"].items()}
    except (TypeError, AttributeError) as error:
        raise UserError(f"{path}: its phases have other fields than they should ({error}); delete the file") from error
    return Record(**data | {"phases": phases})


def _unreadable(path: Path, error: OSError) -> UserError:
    return UserError(f"{path}: cannot be read ({error.strerror})")


def records(folder: Path) -> Iterator[Path]:
    """The record files of a sweep, in order of their names."""
    others = ("sweep.json", VERDICTS)
    return (path for path in sorted(folder.glob("*.json")) if path.name not in others and path.name[0] != ".")
