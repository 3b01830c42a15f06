"""A claim that a study is to judge, and what it predicts of the study's records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .rules import Rule


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
