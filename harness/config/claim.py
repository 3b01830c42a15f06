"""From a study's `claim` to its predictions, checked."""

from __future__ import annotations

import dataclasses
from typing import Any

from adapters.base import CHOICES

from ..claims.claim import Claim, Prediction
from ..claims.rules import RULES
from ..errors import UserError
from ..workload.models import MODELS
from . import schema
from .validate import one_of, validated


def claim_of(data: Any) -> Claim:
    """The claim that a study judges, from the plain values of its config. Raises UserError."""
    given = validated(schema.Claim, data, "claim")
    if not given.predictions:
        raise UserError("claim.predictions={}: there must be one at least")
    _facts("claim.axis", given.axis)
    predictions = []
    for name, said in given.predictions.items():
        where = f"claim.predictions.{name}"
        _facts(f"{where}.where", tuple(said.where))
        kind: type[Any] = RULES[one_of(f"{where}.rule", said.rule, tuple(RULES))]
        rule = validated(kind, said.expects, f"{where}.expects")
        predictions.append(Prediction(str(name), said.says, said.where, rule))
    return Claim(given.text, given.source, given.axis, tuple(predictions))


def _facts(key: str, names: tuple[str, ...]) -> None:
    """Raises UserError unless records have such a size, choice or other property."""
    sizes = {f.name for model in MODELS.values() for f in dataclasses.fields(model)}
    known = {"model", "framework", "execution", "precision", "gradients", *CHOICES, *sizes}
    for name in names:
        one_of(key, name, tuple(sorted(known)))
