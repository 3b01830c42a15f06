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

SCHEMA = 2  # version of the file's layout; a reader refuses any other


class Ruling(StrEnum):
    """The ruling on a prediction or a claim; "cannot tell" is inconclusive."""

    HOLDS = "holds"
    FAILS = "fails"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Finding:
    """The ruling on one prediction for one record.

    Attributes:
        at: the record's place on the claim's axis.
        variant: framework and execution of the record.
        ruling: None if the finding is ignored.
        ignored_because: why it is ignored; empty if it is not.
        number: the number as text; empty if there is none.
        low: lower end of the number's 95 % interval; None if there is no number.
        centre: the number itself; None if there is none.
        high: upper end of the interval; None if there is no number.
        band: the ends of the predicted band; None for no end.
        why: why there is no number; empty if there is one.
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
        """Write variant and place, with the number or why there is none."""
        at = [f"{name}={value}" for name, value in self.at.items() if value is not None]
        return f"{' '.join([self.variant, *at])}: {self.why or self.number}"


@dataclass(frozen=True)
class Verdict:
    """The verdict on one prediction, over all records that it is about.

    Attributes:
        prediction: its name.
        says: what it says, in a sentence.
        kind: COUNTED or TIMED, as in `rules.py`.
        rule: the class of its rule.
        expects: the parameters of its rule.
        where: the facts to which it is limited.
        ruling: the ruling over all records.
        why: the reason for the ruling, in a sentence.
        rulings: the ruling over the records of each variant.
        findings: the ruling on each record.
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
    """The verdict on a claim.

    Attributes:
        text: the claim.
        source: where it was made.
        axis: the sizes or choices by which findings are tabulated.
        rulings: the ruling on the claim by kind: by counts, and by the clock.
        verdicts: the verdict on each prediction.
        records: the id of each record judged, by its cell.
        schema: version of the file's layout.
    """

    text: str
    source: str
    axis: tuple[str, ...]
    rulings: dict[str, Ruling]
    verdicts: tuple[Verdict, ...]
    records: dict[str, str]
    schema: int = SCHEMA


def write(folder: Path, study: StudyVerdict) -> None:
    """Write the verdicts of a sweep to its folder atomically. Raises UserError if they cannot be written."""
    write_json(folder / VERDICTS, asdict(study))


def read(folder: Path) -> StudyVerdict | None:
    """Read the verdict of a sweep; None if it has none. Raises UserError for a file that is not of this program."""
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
    """Read the verdict of a sweep; None if there is none, or if some of the records were measured again since."""
    study = read(folder)
    return study if study and study.records == {record.cell: record.id for record in records} else None
