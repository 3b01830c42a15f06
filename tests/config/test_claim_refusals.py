"""Broken claims of a study: each ends in one sentence."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from harness.claims.rules import Flops
from harness.config.claim import claim_of
from harness.errors import UserError
from tests.helpers.spoil import spoil

CLAIM: dict[str, Any] = {
    "text": "It is so.",
    "source": "a comment",
    "axis": ["depth"],
    "predictions": {
        "said": {
            "says": "It is 2.",
            "rule": "flops",
            "where": {"gradients": "params"},
            "expects": {"of": ["backward"], "over": ["forward"], "low": 2, "high": None},
        }
    },
}
SAID = "claim.predictions.said"
FACTOR = {
    "choice": "residuals",
    "value": "all",
    "against": "store",
    "of": ["backward"],
    "over": ["forward"],
    "low": 1,
    "high": 2,
}


def test_a_good_claim_is_taken_with_what_its_rule_expects(plain: dict[str, Any]) -> None:
    spoil(plain, "claim", copy.deepcopy(CLAIM))
    (prediction,) = claim_of(plain["claim"]).predictions
    assert prediction.name == "said" and prediction.rule == Flops(low=2, high=None, of=("backward",), over=("forward",))
    assert claim_of(plain["claim"]).axis == ("depth",)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("claim", 5, "claim=5: must be a mapping"),
        ("claim.text", None, "claim.text=None: must be text"),
        ("claim.axis", "depth", "must be a list"),
        ("claim.axis", ["deep"], "claim.axis=deep: not known; choose from"),
        ("claim.speed", 1, "claim.speed: no such key; there are"),
        ("claim.predictions", {}, "there must be at least one"),
        ("claim.predictions", [], "must be a mapping"),
        (SAID, "holds", "must be a mapping with says, rule"),
        (f"{SAID}.rule", "flop", f"{SAID}.rule=flop: not known; choose from matmuls, flops"),
        (f"{SAID}.where", {"colour": "red"}, f"{SAID}.where=colour: not known; choose from"),
        (f"{SAID}.speed", 1, "no such key; there are says, rule"),
        (f"{SAID}.expects", [], "must be a mapping"),
        (f"{SAID}.expects", {}, f"{SAID}.expects.low: is missing; there must be low, high, of"),
        (f"{SAID}.expects.speed", 1, f"{SAID}.expects.speed: no such key; there are"),
        (f"{SAID}.expects.low", "2", "must be a number or null"),
        (f"{SAID}.expects.high", 1, "low=2.0, high=1.0: must be a band"),
        (f"{SAID}.expects.of", ["backwards"], "phase=backwards: not known; choose from inference"),
        (f"{SAID}.expects.of", [], "each must name a phase"),
        (f"{SAID}.expects.of", "backward", "must be a list"),
        (f"{SAID}.expects.per_parameter", 1.5, "must be a whole number"),
    ],
)
def test_a_claim_that_cannot_be_is_told_in_a_sentence(plain: dict[str, Any], key: str, value: Any, said: str) -> None:
    spoil(plain, "claim", copy.deepcopy(CLAIM))
    spoil(plain, key, value)
    with pytest.raises(UserError) as refused:
        claim_of(plain["claim"])
    assert said in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("choice", "speed", "choice=speed: not known; choose from residuals"),
        ("value", "some", "value=some: not known; choose from store, blocks, all"),
        ("against", None, "against=None: not known; choose from store, blocks, all"),
    ],
)
def test_a_choice_that_a_claim_compares_must_be_one(
    plain: dict[str, Any], key: str, value: str | None, said: str
) -> None:
    spoil(plain, "claim", copy.deepcopy(CLAIM))
    spoil(plain, SAID, {"says": "It grows.", "rule": "time_factor", "expects": FACTOR | {key: value}})
    with pytest.raises(UserError, match=said):
        claim_of(plain["claim"])


def test_what_a_prediction_needs_is_missed_by_name(plain: dict[str, Any]) -> None:
    for key in ("says", "rule", "expects"):
        broken = copy.deepcopy(CLAIM)
        del broken["predictions"]["said"][key]
        spoil(plain, "claim", broken)
        with pytest.raises(UserError, match=f"{SAID}.{key}: is missing"):
            claim_of(plain["claim"])
