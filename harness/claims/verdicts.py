"""The verdicts on a study's claim, and their file beside its records, from which every view of them is made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ..errors import UserError
from ..records.record import VERDICTS, Record, write_json

SCHEMA = 2  # of the file; a reader refuses any other


class Ruling(StrEnum):
    HOLDS = "holds"
    FAILS = "fails"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Finding:
    """One prediction for one record.

    `at` is its place on the claim's axis, `band` where its number should lie (None for no end), `number` the number as
    text, `low`, `centre` and `high` its 95 % interval. Without a number `why` says what is missing. Without a ruling
    the finding is ignored, and `ignored_because` says why.
    """

    at: dict[str, Any]
    variant: str
    ruling: Ruling | None
    ignored_because: str
    number: str
    low: float | None
    centre: float | None
    high: float | None
    band: tuple[float | None, float | None]
    why: str

    def __str__(self) -> str:
        """Where it is, and its number or what it lacks."""
        at = [f"{name}={value}" for name, value in self.at.items() if value is not None]
        return f"{' '.join([self.variant, *at])}: {self.why or self.number}"


@dataclass(frozen=True)
class Verdict:
    """One prediction for all records of its kind.

    `kind` says whether it is of counts or of times, `expects` are the parameters of its `rule`, `rulings` those of each
    variant.
    """

    prediction: str
    says: str
    kind: str
    rule: str
    expects: dict[str, Any]
    where: dict[str, Any]
    ruling: Ruling
    why: str
    rulings: dict[str, Ruling]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class StudyVerdict:
    """A claim, the ruling on it by counts and by the clock, and the verdict on each of its predictions.

    `records` are those that were judged: the id of each by its cell.
    """

    text: str
    source: str
    axis: tuple[str, ...]
    rulings: dict[str, Ruling]
    verdicts: tuple[Verdict, ...]
    records: dict[str, str]
    schema: int = SCHEMA


def write(folder: Path, study: StudyVerdict) -> None:
    """Write the file of a sweep, whole or not at all. Raises UserError if it cannot be written."""
    write_json(folder / VERDICTS, asdict(study))


def read(folder: Path) -> StudyVerdict | None:
    """The verdict of a sweep, or None where it has none. Raises UserError for a file that is not of this program."""
    path = folder / VERDICTS
    try:
        data = json.loads(path.read_bytes())
        if isinstance(data, dict) and isinstance(data.get("schema"), int) and data["schema"] > SCHEMA:
            raise UserError(f"{path}: schema {data['schema']} is newer than this program's; update the program")
        return TypeAdapter(StudyVerdict).validate_python(data)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        why = f"{error.error_count()} fields do not fit" if isinstance(error, ValidationError) else str(error)
        raise UserError(f"{path}: not a whole file of verdicts ({why}); run its study again to make it") from error


def verdict_on(records: Sequence[Record], folder: Path) -> StudyVerdict | None:
    """The verdict of a sweep if it is on these records, and not on some that were measured again since."""
    study = read(folder)
    return study if study and study.records == {record.cell: record.id for record in records} else None
