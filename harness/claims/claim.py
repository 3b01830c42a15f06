"""A claim of the question's discussion, its prediction, and whether records bear it out: holds, fails or cannot tell.

The question is https://ai.stackexchange.com/questions/38085. Decided from bounds alone. A prediction holds for a
variant whose number lies in the predicted band with both bounds, fails where it lies outside with both, and cannot be
told else. Counts have no width, so they always tell. It holds as a whole if it holds for every variant, fails if it
fails for one, and cannot be told else; so do a claim's predictions make up the claim, those from counts apart from
those from the clock.

A variant that its framework does not support says nothing, neither for nor against; nor does a count that leaves out
what its program does not compute by multiplies. One that failed, was disturbed (times only; its counts stand), has too
few pairs or has no record cannot tell, and then the whole does not hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ..records.calibration import Calibration
from ..records.record import Record
from .quantities import Number
from .rules import COUNTED, TIMED, Rule


class Answer(StrEnum):
    HOLDS = "holds"
    FAILS = "fails"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Prediction:
    """What a claim says of some of the records: those that have the values of `where`."""

    name: str
    says: str
    where: dict[str, Any]
    rule: Rule


@dataclass(frozen=True)
class Claim:
    """`axis` names the sizes or choices by which its findings are tabulated."""

    text: str
    source: str
    axis: tuple[str, ...]
    predictions: tuple[Prediction, ...]


@dataclass(frozen=True)
class Finding:
    """One prediction for one variant; without an answer where it says nothing, and then why: `number.silence`."""

    at: dict[str, Any]
    variant: str
    answer: Answer | None
    number: Number
    band: tuple[float, float]
    why: str = ""


@dataclass(frozen=True)
class Verdict:
    """One prediction for all its variants."""

    prediction: Prediction
    answer: Answer
    why: str
    findings: tuple[Finding, ...]

    @property
    def kind(self) -> str:
        return self.prediction.rule.kind


def facts(record: Record) -> dict[str, Any]:
    """What a `where` or an axis may ask of a record: its sizes and choices, and how it was run."""
    workload = record.workload
    run = {"model": workload["name"], "framework": record.framework, "execution": record.execution}
    return run | {k: workload[k] for k in ("precision", "gradients")} | workload["sizes"] | record.choices


def judge(number: Number, band: tuple[float, float]) -> Answer:
    """Where a number lies in or out of a band with all that it may be, there is an answer."""
    if number.low >= band[0] and number.high <= band[1]:
        return Answer.HOLDS
    return Answer.FAILS if number.high < band[0] or number.low > band[1] else Answer.CANNOT_TELL


def together(answers: Sequence[Answer]) -> Answer:
    """One answer out of many, for a claim that says something of all."""
    if Answer.FAILS in answers:
        return Answer.FAILS
    return Answer.HOLDS if answers and set(answers) == {Answer.HOLDS} else Answer.CANNOT_TELL


def verdicts(
    claim: Claim, records: Sequence[Record], missing: Sequence[str], calibration: Calibration
) -> list[Verdict]:
    """The verdict on each prediction. `missing` are variants that have no record."""
    return [_verdict(claim, prediction, records, missing, calibration) for prediction in claim.predictions]


def _verdict(
    claim: Claim,
    prediction: Prediction,
    records: Sequence[Record],
    missing: Sequence[str],
    calibration: Calibration,
) -> Verdict:
    rule, where = prediction.rule, prediction.where.items()
    asked = [record for record in records if where <= facts(record).items() and rule.concerns(record)]
    findings = tuple(_finding(claim, rule, record, records, calibration) for record in asked)
    answers = [finding.answer for finding in findings if finding.answer]
    answer = together([*answers, *(Answer.CANNOT_TELL for _ in missing)])
    return Verdict(prediction, answer, _why(findings, missing), findings)


def _finding(claim: Claim, rule: Rule, record: Record, records: Sequence[Record], calibration: Calibration) -> Finding:
    known = facts(record)
    at, variant = {name: known.get(name) for name in claim.axis}, f"{record.framework} {record.execution}"
    band = rule.band(record)
    if record.outcome == "unsupported":
        number = Number(missing=record.reason, silence=record.outcome)
        return Finding(at, variant, None, number, band, f"{record.outcome}: {record.reason}")
    if record.outcome != "ok":
        why = f"{record.outcome}: {record.reason}"
        return Finding(at, variant, Answer.CANNOT_TELL, Number(missing=why), band, why)
    number = rule.number(record, records, calibration)
    answer = None if number.silence else judge(number, band)
    return Finding(at, variant, answer, number, band, number.missing)


def _why(findings: Sequence[Finding], missing: Sequence[str]) -> str:
    """How many say what, and one that does not hold as an example."""
    asked = [finding for finding in findings if finding.answer]
    if not asked:
        reasons = [finding.why for finding in findings] or ["no record is of the kind that it speaks of"]
        return "; ".join(dict.fromkeys([*reasons, *missing]))
    holding = sum(finding.answer is Answer.HOLDS for finding in asked)
    said = [f"{holding} of {len(asked)} lie within"]
    for answer in (Answer.FAILS, Answer.CANNOT_TELL):
        if others := [finding for finding in asked if finding.answer is answer]:
            outside = "outside" if answer is Answer.FAILS else "cannot be told"
            said.append(f"{len(others)} {outside}, such as {described(others[0])}")
    silent = [finding for finding in findings if not finding.answer]
    for silence in dict.fromkeys(finding.number.silence for finding in silent):
        said.append(f"{sum(finding.number.silence == silence for finding in silent)} {silence}")
    return ", ".join([*said, *missing])


def described(finding: Finding) -> str:
    """A finding in a line: where, and its number or what it lacks."""
    at = [f"{name}={value}" for name, value in finding.at.items() if value is not None]
    return f"{' '.join([finding.variant, *at])}: {finding.why or finding.number}"


def by_kind(found: Sequence[Verdict]) -> dict[str, Answer]:
    """The claim's verdict by counts, and that by the clock, as far as it has predictions of that kind."""
    kinds = [kind for kind in (COUNTED, TIMED) if any(verdict.kind == kind for verdict in found)]
    return {kind: together([verdict.answer for verdict in found if verdict.kind == kind]) for kind in kinds}
