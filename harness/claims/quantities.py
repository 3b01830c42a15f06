"""Numbers out of records: counts, which are exact, and ratios of times with their 95 % bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..measure import stats
from ..records.calibration import Calibration
from ..records.record import Record


@dataclass(frozen=True)
class Number:
    """A number between its bounds (three times the same where it is exact), or why there is none."""

    low: float = math.nan
    centre: float = math.nan
    high: float = math.nan
    missing: str = ""
    ignored_because: str = ""  # set if the missing number should be ignored rather than counted as inconclusive

    @classmethod
    def exact(cls, value: float) -> Number:
        return cls(value, value, value)

    @property
    def known(self) -> bool:
        return not math.isnan(self.centre)

    def __str__(self) -> str:
        """1.833, or between bounds 1.81 [1.72, 1.92]."""
        if self.low == self.high:
            return f"{self.centre:.4g}"
        return f"{self.centre:.2f} [{self.low:.2f}, {self.high:.2f}]"

    def over(self, divisor: float) -> Number:
        return replace(self, low=self.low / divisor, centre=self.centre / divisor, high=self.high / divisor)


def counted(record: Record, phase: str, what: Literal["matmuls", "flops"]) -> Number:
    """How many multiplies, or FLOPs, a phase executed."""
    count = getattr(record.phases.get(phase), what, None)
    return Number(missing=f"it has no {what} of {phase}") if count is None else Number.exact(count)


def flops(record: Record, phases: Sequence[str]) -> Number:
    """FLOPs executed in these phases together.

    They are those of multiplies alone. Where a phase has fewer than its trace, and the record notes why, its program
    computes some otherwise (XLA a product with a dimension of one), and their count is not known.
    """
    each = [counted(record, phase, "flops") for phase in phases]
    for phase, number in zip(phases, each, strict=True):
        if number.missing:
            return number
        if phase in record.notes and number.centre < record.phases[phase].work_flops:
            return Number(missing=record.notes[phase].rstrip("."), ignored_because="not counted")
    return Number.exact(sum(number.centre for number in each))


def time_ratio(records: Sequence[Record], of: Sequence[str], over: Sequence[str], calibration: Calibration) -> Number:
    """Time of phases `of` over that of phases `over` in one record, or its factor to that in a second record.

    The interval is made as that of a record's `ratio`. Two records are two processes, each with its own offset. A
    disturbed record has none: what it would say does not come from its program alone.
    """
    for record in records:
        if record.noise:
            return Number(missing=f"{record.variant} was disturbed ({record.noise})")
        if absent := [phase for phase in (*of, *over) if phase not in record.samples[0]["seconds"]]:
            return Number(missing=f"{record.variant} has no phase {absent[0]}")
    trials = min(len(record.samples) for record in records)
    each = [[stats.within(_logs(trial["seconds"], of, over)) for trial in r.samples[:trials]] for r in records]
    centres = np.array([[estimate.centre for estimate in estimates] for estimates in each])
    errors = np.array([[estimate.se for estimate in estimates] for estimates in each])
    differences = centres[0] - centres[1:].sum(axis=0)
    # What is known of how such a logarithm differs from process to process.
    spreads = [calibration.of(record) for record in records]
    sigma = math.hypot(*(spread.sigma["marginal" if "inference" in over else "ratio"] for spread in spreads))
    weight = min(spread.df for spread in spreads)
    estimate = stats.moderated(differences, np.sqrt((errors**2).sum(axis=0)), sigma, weight)
    half = estimate.half_width()
    if math.isnan(half):
        return Number(missing="too few pairs for an interval; raise measure.budget_s")
    low, centre, high = (math.exp(estimate.centre + offset) for offset in (-half, 0.0, half))
    return Number(low, centre, high)


def _logs(seconds: dict[str, list[float]], of: Sequence[str], over: Sequence[str]) -> np.ndarray:
    top = np.sum([seconds[phase] for phase in of], axis=0)
    return stats.log_ratio(top, np.sum([seconds[phase] for phase in over], axis=0))
