"""Claims of one prediction, and records whose numbers are known, for the tests of rules and claims."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from harness.claims.claim import Claim, Prediction
from harness.claims.judge import judge
from harness.claims.rules import Rule
from harness.claims.verdicts import Ruling, Verdict
from harness.records import calibration
from harness.records.record import Record

HOLDS, FAILS, CANNOT_TELL = Ruling
ASSUMED = calibration.assumed("here")
BACKWARD, FORWARD = ("backward",), ("forward",)
ALL = {"choice": "residuals", "value": "all", "against": "store"}


def times(backward: float, spread: float = 0.01, pairs: int = 48, **others: float) -> list[dict[str, Any]]:
    """Samples of one trial: forward takes a millisecond, the others so many, with this relative spread."""
    noise = random.Random(7)
    milliseconds = {"forward": 1.0, "backward": backward, **others}
    seconds = {p: [m * 1e-3 * noise.lognormvariate(0, spread) for _ in range(pairs)] for p, m in milliseconds.items()}
    return [{"seconds": seconds}]


def verdict(rule: Rule, *records: Record, where: dict[str, Any] | None = None, missing: Sequence[str] = ()) -> Verdict:
    prediction = Prediction("said", "It says so.", where or {}, rule)
    return judge(Claim("Text.", "source", ("depth",), (prediction,)), prediction, records, missing, ASSUMED)


def band(kind: Callable[..., Rule], low: float | None, high: float | None, **rest: Any) -> Rule:
    return kind(low=low, high=high, of=BACKWARD, over=FORWARD, **rest)


def ruling(rule: Rule, *records: Record, **rest: Any) -> Ruling:
    return verdict(rule, *records, **rest).ruling


def flops(forward: float, backward: float, **rest: float) -> dict[str, float]:
    return {"executed_forward_flops": forward, "executed_backward_flops": backward, "parameters": 100.0, **rest}


def split(low: float, centre: float, high: float, gradient_ms: float = 10.0) -> dict[str, float]:
    """Metrics of forward and backward together over gradient."""
    names = ("split_over_gradient_low", "split_over_gradient", "split_over_gradient_high")
    return dict(zip(names, (low, centre, high), strict=True)) | {"gradient_ms": gradient_ms}
