"""The record: one JSON file for one variant of one workload. Records are the truth; all else is a view."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from adapters.choices import Choices

from ..errors import UserError
from ..job import Environment, Variant
from ..paths import draft
from .metrics import SCHEMA

MACHINE = "machine.json"  # is beside the records of a sweep that ran on a cluster: the kind of its nodes
VERDICTS = "verdicts.json"  # is beside the records of a study that has a claim
EXPLAINED = ".explain.json"  # ends the name of the file beside a record that says why its ratio is what it is
_HEAD_BYTES = 2**17  # more than the largest record without its samples


@dataclass
class Phase:
    """The numbers of one phase of a variant; None if they are not available.

    Attributes:
        ms: milliseconds per call.
        first_s: seconds of the first call (trace, compile and tune).
        matmuls: multiplies and convolutions that its program executes.
        flops: FLOPs of those.
        note: why these differ from the requested ones; empty if they do not.
        asked_matmuls: multiplies and convolutions that the trace requests (of forward and backward only).
        asked_flops: FLOPs of those.
        device_ms: milliseconds per call in which the device worked; of a GPU only.
        kernels: how many kernels it ran.
        peak_mib: the most of the device's memory in use at once, parameters included.
        joules: energy per call of the whole device, where `measure.energy` asks for it.
    """

    ms: float | None = None
    first_s: float | None = None
    matmuls: int | None = None
    flops: int | None = None
    note: str = ""
    asked_matmuls: int | None = None
    asked_flops: int | None = None
    device_ms: float | None = None
    kernels: int | None = None
    peak_mib: float | None = None
    joules: float | None = None

    @property
    def work_flops(self) -> int:
        """FLOPs executed, or those of the trace if the executed ones were not counted, or not all of them.

        Only multiplies are counted: the count is below the trace's if XLA computes some products element by element.
        """
        return max(self.flops or 0, self.asked_flops or 0)

    @property
    def gflops(self) -> float | None:
        """`work_flops` over the phase's time, in GFLOP/s."""
        return self.work_flops / self.ms / 1e6 if self.ms else None


@dataclass
class Record:
    """The measurement of one variant. `metrics.py` describes each field. Unavailable numbers are absent, never NaN."""

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
    reference: str = ""
    described: dict[str, str] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    environment_name: str = ""
    rounds: str = ""
    harness: dict[str, str] = field(default_factory=dict)
    measure: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    remeasured: str = ""
    schema: int = SCHEMA
    samples: list[dict[str, Any]] = field(default_factory=list)  # last: `read_head` stops here

    @property
    def variant(self) -> str:
        """The variant's name, as in its cell."""
        return str(self.named_variant)

    @property
    def named_variant(self) -> Variant:
        """The variant, with its environment by name only."""
        environment = Environment(self.environment_name)
        return Variant(self.framework, self.execution, Choices(**self.choices), environment)

    @property
    def notes(self) -> dict[str, str]:
        """The notes of phases that execute other multiplies than the trace requests, by phase."""
        return {name: phase.note for name, phase in self.phases.items() if phase.note}

    def write(self, folder: Path) -> Path:
        """Write `<cell>.json` atomically and flush it to disk. Returns its path. Raises UserError if it cannot."""
        path = folder / f"{self.cell}.json"
        write_json(path, asdict(self))
        return path


_FIELDS = {entry.name for entry in fields(Record)}


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Replace the file atomically: readers see either the old content or the new. Raises UserError if it cannot."""
    written = draft(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written.open("w") as file:
            file.write(json.dumps(data, allow_nan=False))
            file.flush()
            os.fsync(file.fileno())
        written.replace(path)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror}); free some space or choose results=FOLDER"
        ) from error
    finally:
        with contextlib.suppress(OSError):  # it was renamed, or never created
            written.unlink()


class NewerSchema(UserError):
    """Raised for a record that a newer version of this program wrote."""


def read(path: Path) -> Record:
    """Read the record in a file. Raises UserError if it is corrupt, not a record, or has another schema."""
    try:
        return _record(path, path.read_bytes())
    except OSError as error:
        raise _unreadable(path, error) from error


def read_head(path: Path) -> Record:
    """Read a record without its samples, which are most of the file. Raises UserError as `read` does."""
    try:
        with path.open("rb") as file:
            head, samples, _ = file.read(_HEAD_BYTES).partition(b', "samples": ')
            file.seek(-min(2, path.stat().st_size), os.SEEK_END)
            if not samples or file.read() != b"]}":  # not as this program writes it: parse all of it
                return read(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    return _record(path, head + b', "samples": []}')


def _record(path: Path, content: bytes) -> Record:
    """Parse and check the content of a record's file. Raises UserError."""
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
    """Make the error for a file that cannot be read."""
    return UserError(f"{path}: cannot be read ({error.strerror})")


def records(folder: Path) -> Iterator[Path]:
    """List the record files in the folder of a sweep, in order of their names."""
    paths = (path for path in sorted(folder.glob("*.json")) if not path.name.endswith(EXPLAINED))
    return (path for path in paths if path.name not in (MACHINE, VERDICTS) and path.name[0] != ".")
