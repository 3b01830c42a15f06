"""What the machine allows of an explained variant: the bounds of its ops, those that are beaten, and its prediction."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..job import Variant
from ..records.ceilings import Ceilings
from ..records.record import Record
from . import bounds
from .ceilings import lender
from .factors import Explained
from .parts import Part
from .predict import predict
from .replay import Replay
from .roofline import Roofline


@dataclass(frozen=True)
class Allowed:
    """What the machine allows a variant: ready for JSON, as rows of a table, and as sentences; empty if not known."""

    content: dict[str, Any]
    rows: list[list[str]]
    texts: list[str]


UNKNOWN = Allowed({}, [], [])


def allowed(
    ceilings: Ceilings | None,
    variant: Variant,
    parts: Sequence[Part],
    measured: Replay,
    explained: Explained,
    record: Record,
) -> Allowed:
    """Compare what was measured of a variant, alone and in its record, with its ceilings. `parts` are all there are."""
    if ceilings is None:
        return UNKNOWN
    try:
        roofline = Roofline(ceilings)
    except ValueError as error:
        return Allowed({}, [], [f"no bounds: {error}"])
    predicted = predict(variant, parts, ceilings)
    numbers = predicted.metrics(record) if predicted else {}
    if lender(variant) != variant:  # ops alone of another execution predict, but are no bounds
        return Allowed({"predicted": numbers}, [], _said(numbers, record))
    limits = bounds.bounds(roofline, measured, explained)
    rows, beaten = bounds.rows(limits), bounds.beaten(limits, measured)
    texts = [roofline.said(), *beaten, *_said(numbers, record)]
    content = {"bounds": rows, "beaten": beaten, "predicted": numbers}
    return Allowed(content, [bounds.cells(row) for row in rows], texts)


def _said(numbers: Mapping[str, float], record: Record) -> list[str]:
    """What was predicted, beside the record's own numbers."""
    if "predicted_ratio_error" not in numbers:
        return []
    predictions = [f"ratio {numbers['predicted_ratio']:.2f} ({numbers['predicted_ratio_error']:+.0%} of the measured)"]
    for name in ("forward", "backward"):
        ms, error = 1e3 * numbers[f"predicted_{name}_s"], numbers.get(f"predicted_{name}_error", math.nan)
        predictions.append(f"{name} {ms:.3g} ms ({error:+.0%})")
    return [f"predicted from FLOPs, bytes and this machine's ceilings: {', '.join(predictions)}"]
