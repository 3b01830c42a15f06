"""Judges a claim by the records of its study: it holds, it fails, or that cannot be told.

A prediction holds for a record whose number lies in the predicted band with both bounds, and fails for one whose number
lies outside with both; otherwise it is inconclusive. Counts are exact, so they always tell. A prediction holds if it
holds for every record, fails if it fails for one, and is inconclusive otherwise; a claim is judged by its predictions
in the same way, those from counts apart from those from the clock.

Unsupported variants and known-incomplete counts are ignored. A variant that failed, was disturbed (timings only), has
too few pairs or has no record is inconclusive; one inconclusive variant keeps the claim from holding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ..records.calibration import Calibration
from ..records.record import Record
from .claim import Claim, Prediction
from .quantities import Number
from .rules import COUNTED, TIMED, Rule
from .verdicts import Finding, Ruling, StudyVerdict, Verdict


def judge_study(
    claim: Claim, records: Sequence[Record], missing: Sequence[str], calibration: Calibration
) -> StudyVerdict:
    """The verdict on each prediction, with every finding behind it. `missing` has a sentence for each lost record."""
    verdicts = tuple(judge(claim, said, records, missing, calibration) for said in claim.predictions)
    kinds = [kind for kind in (COUNTED, TIMED) if any(verdict.kind == kind for verdict in verdicts)]
    return StudyVerdict(
        text=claim.text,
        source=claim.source,
        axis=claim.axis,
        rulings={kind: together([v.ruling for v in verdicts if v.kind == kind]) for kind in kinds},
        verdicts=verdicts,
        records={record.cell: record.id for record in records},
    )


def judge(
    claim: Claim, prediction: Prediction, records: Sequence[Record], missing: Sequence[str], calibration: Calibration
) -> Verdict:
    """The verdict on one prediction of a claim."""
    rule, where = prediction.rule, prediction.where.items()
    concerned = [record for record in records if where <= facts(record).items() and rule.concerns(record)]
    findings = tuple(_finding(claim, prediction, record, records, calibration) for record in concerned)
    by_variant: dict[str, list[Ruling]] = {}
    for finding in findings:
        if finding.ruling:
            by_variant.setdefault(finding.variant, []).append(finding.ruling)
    rulings = [ruling for of_variant in by_variant.values() for ruling in of_variant]
    return Verdict(
        prediction=prediction.name,
        says=prediction.says,
        kind=rule.kind,
        rule=type(rule).__name__,
        expects=_plain(rule),
        where=prediction.where,
        ruling=together([*rulings, *(Ruling.CANNOT_TELL for _ in missing)]),
        why=_why(findings, missing),
        rulings={variant: together(of_variant) for variant, of_variant in by_variant.items()},
        findings=findings,
    )


def facts(record: Record) -> dict[str, Any]:
    """What a `where` or an axis may ask of a record: its sizes and choices, and how it was run."""
    workload = record.workload
    run = {"model": workload["name"], "framework": record.framework, "execution": record.execution}
    return run | {k: workload[k] for k in ("precision", "gradients")} | workload["sizes"] | record.choices


def ruling_of(number: Number, band: tuple[float, float]) -> Ruling:
    """Holds where all of a number's interval lies in the band, fails where all of it lies outside."""
    if number.low >= band[0] and number.high <= band[1]:
        return Ruling.HOLDS
    return Ruling.FAILS if number.high < band[0] or number.low > band[1] else Ruling.CANNOT_TELL


def together(rulings: Sequence[Ruling]) -> Ruling:
    """The ruling on what is said of all, from those on each."""
    if Ruling.FAILS in rulings:
        return Ruling.FAILS
    return Ruling.HOLDS if rulings and set(rulings) == {Ruling.HOLDS} else Ruling.CANNOT_TELL


def _finding(
    claim: Claim, prediction: Prediction, record: Record, records: Sequence[Record], calibration: Calibration
) -> Finding:
    band = prediction.rule.band(record)
    if record.outcome == "ok":
        number = prediction.rule.number(record, records, calibration)
        why = number.missing
    else:
        why = f"{record.outcome}: {record.reason}"
        number = Number(missing=why, ignored_because="unsupported" if record.outcome == "unsupported" else "")
    values = facts(record)
    return Finding(
        at={name: values.get(name) for name in claim.axis},
        variant=f"{record.framework} {record.execution}",
        ruling=None if number.ignored_because else ruling_of(number, band),
        ignored_because=number.ignored_because,
        number=str(number) if number.known else "",
        low=number.low if number.known else None,
        centre=number.centre if number.known else None,
        high=number.high if number.known else None,
        band=(None if math.isinf(band[0]) else band[0], None if math.isinf(band[1]) else band[1]),
        why=why,
    )


def _plain(rule: Rule) -> dict[str, Any]:
    """The parameters of a rule as JSON has them."""
    parameters: dict[str, Any] = asdict(rule)  # type: ignore[call-overload]
    return {name: list(value) if isinstance(value, tuple) else value for name, value in parameters.items()}


def _why(findings: Sequence[Finding], missing: Sequence[str]) -> str:
    """How many findings say what, and one that does not hold as an example."""
    judged = [finding for finding in findings if finding.ruling]
    if not judged:
        reasons = [finding.why for finding in findings] or ["no record is of the kind that it speaks of"]
        return "; ".join(dict.fromkeys([*reasons, *missing]))
    holding = sum(finding.ruling is Ruling.HOLDS for finding in judged)
    parts = [f"{holding} of {len(judged)} lie within"]
    for ruling, words in ((Ruling.FAILS, "outside"), (Ruling.CANNOT_TELL, "cannot be told")):
        if others := [finding for finding in judged if finding.ruling is ruling]:
            parts.append(f"{len(others)} {words}, such as {others[0]}")
    ignored = [finding.ignored_because for finding in findings if not finding.ruling]
    parts += [f"{ignored.count(reason)} {reason}" for reason in dict.fromkeys(ignored)]
    return ", ".join([*parts, *missing])
