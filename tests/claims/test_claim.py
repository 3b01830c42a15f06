"""What becomes of the answers of a rule: of disturbed, failed and missing records, of one prediction and of all."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from harness.claims.claim import Claim, Prediction
from harness.claims.judge import judge_study, together
from harness.claims.rules import Flops, Time, TimeFactor
from harness.claims.verdicts import Ruling
from harness.records.record import Record
from tests.helpers.claims import ALL, ASSUMED, CANNOT_TELL, FAILS, HOLDS, band, flops, ruling, times, verdict

RULE = band(Time, 1.5, 2.5)


def test_a_disturbed_record_has_no_time_but_its_counts_stand(variant: Callable[..., Record]) -> None:
    disturbed = variant(2.0, counts=flops(100, 200), noise="a neighbour")
    assert ruling(RULE, disturbed) is CANNOT_TELL
    assert ruling(RULE, variant(9.0, noise="a neighbour")) is CANNOT_TELL
    assert "a neighbour" in verdict(RULE, disturbed).why
    assert ruling(band(Flops, 1.98, 2.02), disturbed) is HOLDS
    quiet = variant(2.0, residuals="all")
    assert ruling(band(TimeFactor, 0.9, 1.1, **ALL), disturbed, quiet) is CANNOT_TELL


def test_too_few_pairs_have_no_interval(variant: Callable[..., Record]) -> None:
    found = verdict(RULE, variant(samples=times(2.0, pairs=7)))
    assert found.ruling is CANNOT_TELL
    assert "raise measure.budget_s" in found.why


@pytest.mark.parametrize("outcome", ["invalid", "oom", "timeout", "crashed", "error"])
def test_what_failed_keeps_a_claim_from_holding_but_not_from_failing(
    variant: Callable[..., Record], outcome: str
) -> None:
    broken = variant(outcome=outcome, framework="jax", samples=[])
    assert ruling(RULE, broken) is CANNOT_TELL
    assert ruling(RULE, variant(2.0), broken) is CANNOT_TELL
    assert ruling(RULE, variant(9.0), broken) is FAILS
    assert outcome in verdict(RULE, variant(2.0), broken).why


def test_what_is_unsupported_says_nothing(variant: Callable[..., Record]) -> None:
    cannot = variant(outcome="unsupported", framework="jax", samples=[])
    assert ruling(RULE, variant(2.0), cannot) is HOLDS
    assert ruling(RULE, variant(9.0), cannot) is FAILS
    assert ruling(RULE, cannot) is CANNOT_TELL
    found = verdict(RULE, variant(2.0), cannot)
    assert [finding.ruling for finding in found.findings] == [HOLDS, None]
    assert "1 unsupported" in found.why


def test_what_has_no_record_keeps_a_claim_from_holding_but_not_from_failing(variant: Callable[..., Record]) -> None:
    assert ruling(RULE, variant(2.0), missing=["jax was planned and has no record"]) is CANNOT_TELL
    assert ruling(RULE, variant(9.0), missing=["jax was planned and has no record"]) is FAILS
    assert "jax was planned" in verdict(RULE, variant(2.0), missing=["jax was planned and has no record"]).why
    assert ruling(RULE) is CANNOT_TELL


def test_a_prediction_asks_only_the_records_that_it_speaks_of(variant: Callable[..., Record]) -> None:
    records = [variant(2.0), variant(9.0, depth=8)]
    assert ruling(RULE, *records, where={"depth": 3}) is HOLDS
    assert ruling(RULE, *records, where={"depth": 8}) is FAILS
    assert ruling(RULE, *records, where={"depth": 5}) is CANNOT_TELL
    assert ruling(RULE, *records, where={"framework": "torch", "residuals": "store"}) is FAILS


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([HOLDS, HOLDS], HOLDS),
        ([HOLDS, FAILS, CANNOT_TELL], FAILS),
        ([HOLDS, CANNOT_TELL], CANNOT_TELL),
        ([CANNOT_TELL], CANNOT_TELL),
        ([], CANNOT_TELL),
    ],
)
def test_a_claim_about_all_fails_with_one_and_holds_with_all(answers: list[Ruling], expected: Ruling) -> None:
    assert together(answers) is expected


def test_counts_and_the_clock_have_verdicts_of_their_own(variant: Callable[..., Record]) -> None:
    claim = Claim(
        "Text.",
        "source",
        (),
        (Prediction("count", "", {}, band(Flops, 2, 2)), Prediction("clock", "", {}, RULE)),
    )
    made = variant(9.0, counts=flops(100, 200))
    assert judge_study(claim, [made], [], ASSUMED).rulings == {"counted": HOLDS, "timed": FAILS}
    alone = replace(claim, predictions=claim.predictions[:1])
    assert judge_study(alone, [made], [], ASSUMED).rulings == {"counted": HOLDS}


def test_each_framework_has_its_verdict(variant: Callable[..., Record]) -> None:
    claim = Claim("Text.", "source", ("depth",), (Prediction("ratio", "", {}, RULE),))
    records = [variant(2.0), variant(2.0, depth=8), variant(9.0, framework="jax"), variant(2.0, 8, "jax")]
    (said,) = judge_study(claim, records, [], ASSUMED).verdicts
    assert said.rulings == {"torch eager": HOLDS, "jax eager": FAILS}


@pytest.mark.parametrize("seed", range(20))
def test_the_same_program_measured_twice_never_holds_once_and_fails_once(
    variant: Callable[..., Record], seed: int
) -> None:
    """At the edge of the band, where it is hardest."""
    noise = random.Random(seed)
    found = set()
    for _ in range(2):
        offset = noise.lognormvariate(0, 0.02)  # of a process, as assumed
        found.add(ruling(RULE, variant(2.5 * offset)))
    assert found != {HOLDS, FAILS}
