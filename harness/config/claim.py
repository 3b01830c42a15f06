"""Turns the `claim` block of a study into a checked claim with its predictions."""

from __future__ import annotations

import dataclasses
from typing import Any

from adapters.choices import CHOICES

from ..claims.claim import Claim, Prediction
from ..claims.rules import RULES
from ..errors import UserError
from ..workload.models import MODELS
from . import schema
from .validate import one_of, validated


def claim_of(data: Any) -> Claim:
    """Build the claim of a study from the plain values of its config. Raises UserError if it is not valid."""
    claim = validated(schema.Claim, data, "claim")
    if not claim.predictions:
        raise UserError("claim.predictions={}: there must be at least one")
    _check_facts("claim.axis", claim.axis)
    predictions = []
    for name, prediction in claim.predictions.items():
        key = f"claim.predictions.{name}"
        _check_facts(f"{key}.where", tuple(prediction.where))
        kind: type[Any] = RULES[one_of(f"{key}.rule", prediction.rule, tuple(RULES))]
        rule = validated(kind, prediction.expects, f"{key}.expects")
        predictions.append(Prediction(str(name), prediction.says, prediction.where, rule))
    return Claim(claim.text, claim.source, claim.axis, tuple(predictions))


def _check_facts(key: str, names: tuple[str, ...]) -> None:
    """Raise UserError unless every name is a size, choice or other property that records have."""
    sizes = {field.name for model in MODELS.values() for field in dataclasses.fields(model)}
    facts = {"model", "framework", "execution", "precision", "gradients", "frozen", *CHOICES, *sizes}
    for name in names:
        one_of(key, name, tuple(sorted(facts)))
