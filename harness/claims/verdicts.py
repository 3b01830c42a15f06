"""A study's verdicts as a file beside its records, from which every view of them is made."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..records.calibration import Calibration
from ..records.record import VERDICTS, Record, write_json
from .claim import Answer, Claim, Finding, Verdict, by_kind, together, verdicts

SCHEMA = 1  # of the file; a reader refuses what is newer than itself

Judged = dict[str, Any]


def judge_study(claim: Claim, records: Sequence[Record], missing: Sequence[str], calibration: Calibration) -> Judged:
    """The verdict on each prediction with every finding behind it, JSON-ready: `null` where there is no number."""
    found = verdicts(claim, records, missing, calibration)
    return {
        "schema": SCHEMA,
        "text": claim.text,
        "source": claim.source,
        "axis": list(claim.axis),
        "answers": by_kind(found),
        "verdicts": [_verdict(verdict) for verdict in found],
        "records": {record.cell: record.id for record in records},
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    said, rule = verdict.prediction, verdict.prediction.rule
    by_variant: dict[str, list[Answer]] = {}
    for finding in verdict.findings:
        if finding.answer:
            by_variant.setdefault(finding.variant, []).append(finding.answer)
    return {
        "prediction": said.name,
        "says": said.says,
        "kind": verdict.kind,
        "rule": type(rule).__name__,
        "expects": asdict(rule),  # type: ignore[call-overload]
        "where": said.where,
        "answer": verdict.answer,
        "why": verdict.why,
        "answers": {variant: together(answers) for variant, answers in by_variant.items()},
        "findings": [_finding(finding) for finding in verdict.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "at": finding.at,
        "variant": finding.variant,
        "answer": finding.answer or finding.number.silence,
        "number": str(finding.number) if finding.number.known else "",
        "bounds": [finding.number.low, finding.number.high] if finding.number.known else None,
        "band": [None if math.isinf(end) else end for end in finding.band],
        "why": finding.why,
    }


def write(folder: Path, judged: Judged) -> None:
    """Whole or not at all. Raises UserError if it cannot be written."""
    write_json(folder / VERDICTS, judged)


def read(folder: Path) -> Judged | None:
    """The verdicts of a sweep, or None where it has none. Raises UserError for a file that is not of this program."""
    path = folder / VERDICTS
    try:
        judged = json.loads(path.read_bytes())
        if judged["schema"] > SCHEMA:
            raise UserError(f"{path}: schema {judged['schema']} is newer than this program's; update the program")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a whole file of verdicts ({error}); run its study again to make it") from error
    return dict(judged)


def verdicts_on(records: Sequence[Record], folder: Path) -> Judged | None:
    """The verdicts of a sweep if they are on these records, and not on some that were measured again since."""
    judged = read(folder)
    return judged if judged and judged["records"] == {record.cell: record.id for record in records} else None
