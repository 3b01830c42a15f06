"""A claim that a study judges, and its predictions about the study's records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .rules import Rule


@dataclass(frozen=True)
class Prediction:
    """One prediction of a claim, about the records whose sizes, choices and other facts have the values in `where`."""

    name: str
    says: str
    where: dict[str, Any]
    rule: Rule


@dataclass(frozen=True)
class Claim:
    """A claim with its source and predictions. `axis` names the sizes or choices by which findings are tabulated."""

    text: str
    source: str
    axis: tuple[str, ...]
    predictions: tuple[Prediction, ...]
