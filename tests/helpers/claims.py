"""Claims of one prediction, and records whose numbers are known, for the tests of rules and claims."""

from __future__ import annotations

import random
from typing import Any

from harness.claims.claim import Claim, Prediction
from harness.claims.judge import judge
from harness.claims.verdicts import Ruling
from harness.records import calibration

HOLDS, FAILS, CANNOT_TELL = Ruling
ASSUMED = calibration.assumed("here")
BACKWARD, FORWARD = ("backward",), ("forward",)
ALL = {"choice": "residuals", "value": "all", "against": "store"}


def times(backward: float, spread: float = 0.01, pairs: int = 48, **others: float) -> list[dict]:
    """Samples of one trial: forward takes a millisecond, the others so many, with this relative spread."""
    noise = random.Random(7)
    milliseconds = {"forward": 1.0, "backward": backward, **others}
    seconds = {p: [m * 1e-3 * noise.lognormvariate(0, spread) for _ in range(pairs)] for p, m in milliseconds.items()}
    return [{"seconds": seconds}]


def verdict(rule: Any, *records: Any, where: Any = None, missing: Any = ()) -> Any:
    prediction = Prediction("said", "It says so.", where or {}, rule)
    return judge(Claim("Text.", "source", ("depth",), (prediction,)), prediction, records, missing, ASSUMED)


def band(kind: Any, low: Any, high: Any, **rest: Any) -> Any:
    return kind(low=low, high=high, of=BACKWARD, over=FORWARD, **rest)


def ruling(rule: Any, *records: Any, **rest: Any) -> Any:
    return verdict(rule, *records, **rest).ruling


def flops(forward: Any, backward: Any, **rest: Any) -> Any:
    return {"executed_forward_flops": forward, "executed_backward_flops": backward, "parameters": 100.0, **rest}


def split(low: Any, centre: Any, high: Any, gradient_ms: Any = 10.0) -> Any:
    """Metrics of forward and backward together over gradient."""
    names = ("split_over_gradient_low", "split_over_gradient", "split_over_gradient_high")
    return dict(zip(names, (low, centre, high), strict=True)) | {"gradient_ms": gradient_ms}
