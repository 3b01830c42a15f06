"""Judges a claim by the records of its study: it holds, it fails, or the records cannot tell.

A prediction holds for a record if all of its number's interval lies in the predicted band, and fails if all of it lies
outside; otherwise it is inconclusive. Counts are exact, so they are never inconclusive. A prediction holds if it holds
for every record, fails if it fails for one, and is inconclusive otherwise. A claim is judged by its predictions in the
same way, those about counts apart from those about times.

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
    """Judge every prediction of a claim.

    Args:
        claim: the claim.
        records: all records of its study.
        missing: a sentence for each planned record that cannot be read.
        calibration: how far processes differ on the machine that measured the records.
    """
    verdicts = tuple(judge(claim, prediction, records, missing, calibration) for prediction in claim.predictions)
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
    """Judge one prediction of a claim; the other arguments are those of `judge_study`."""
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
    """Collect the properties of a record that a `where` or an axis can name: its sizes, its choices, how it was run."""
    workload = record.workload
    variant = {"model": workload["name"], "framework": record.framework, "execution": record.execution}
    sizes: dict[str, Any] = workload["sizes"]
    settings = {key: workload.get(key) for key in ("precision", "gradients", "frozen")}
    return variant | settings | sizes | record.choices


def ruling_of(number: Number, band: tuple[float, float]) -> Ruling:
    """Judge a number: it holds if all of its interval lies in the band, and fails if all of it lies outside."""
    if number.low >= band[0] and number.high <= band[1]:
        return Ruling.HOLDS
    return Ruling.FAILS if number.high < band[0] or number.low > band[1] else Ruling.CANNOT_TELL


def together(rulings: Sequence[Ruling]) -> Ruling:
    """Combine rulings on single records or predictions into the ruling on a statement about all of them."""
    if Ruling.FAILS in rulings:
        return Ruling.FAILS
    return Ruling.HOLDS if rulings and set(rulings) == {Ruling.HOLDS} else Ruling.CANNOT_TELL


def _finding(
    claim: Claim, prediction: Prediction, record: Record, records: Sequence[Record], calibration: Calibration
) -> Finding:
    """Judge one prediction for one record."""
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
    """Return the parameters of a rule as JSON represents them."""
    parameters: dict[str, Any] = asdict(rule)  # type: ignore[call-overload]
    return {name: list(value) if isinstance(value, tuple) else value for name, value in parameters.items()}


def _why(findings: Sequence[Finding], missing: Sequence[str]) -> str:
    """Say how many findings hold, fail, are inconclusive or ignored, with an example of each that does not hold."""
    judged = [finding for finding in findings if finding.ruling]
    if not judged:
        reasons = [finding.why for finding in findings] or ["no record is of the kind that it speaks of"]
        return "; ".join(dict.fromkeys([*reasons, *missing]))
    holding = sum(finding.ruling is Ruling.HOLDS for finding in judged)
    parts = [f"{holding} of {len(judged)} lie within"]
    for ruling, description in ((Ruling.FAILS, "outside"), (Ruling.CANNOT_TELL, "cannot be told")):
        if others := [finding for finding in judged if finding.ruling is ruling]:
            parts.append(f"{len(others)} {description}, such as {others[0]}")
    ignored = [finding.ignored_because for finding in findings if not finding.ruling]
    parts += [f"{ignored.count(reason)} {reason}" for reason in dict.fromkeys(ignored)]
    return ", ".join([*parts, *missing])
