"""Computes numbers from records: counts, which are exact, and ratios of times with their 95 % bounds."""

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
    """A number with its bounds, all three equal if it is exact; or why there is none, in `missing`."""

    low: float = math.nan
    centre: float = math.nan
    high: float = math.nan
    missing: str = ""
    ignored_because: str = ""  # set if the missing number should be ignored rather than counted as inconclusive

    @classmethod
    def exact(cls, value: float) -> Number:
        """Make a number that is known exactly."""
        return cls(value, value, value)

    @property
    def known(self) -> bool:
        """True if there is a number."""
        return not math.isnan(self.centre)

    def __str__(self) -> str:
        """Write the number: 1.833 if it is exact, or with its bounds 1.81 [1.72, 1.92]."""
        if self.low == self.high:
            return f"{self.centre:.4g}"
        return f"{self.centre:.2f} [{self.low:.2f}, {self.high:.2f}]"

    def over(self, divisor: float) -> Number:
        """Divide the number and its bounds by an exact number."""
        return replace(self, low=self.low / divisor, centre=self.centre / divisor, high=self.high / divisor)


def counted(record: Record, phase: str, what: Literal["matmuls", "flops"]) -> Number:
    """Look up how many multiplies, or FLOPs, a phase executed."""
    count = getattr(record.phases.get(phase), what, None)
    return Number(missing=f"it has no {what} of {phase}") if count is None else Number.exact(count)


def flops(record: Record, phases: Sequence[str]) -> Number:
    """Add up the FLOPs that several phases executed.

    Only FLOPs of multiplies are counted. A phase with fewer than its trace, and a note that says why, computes some
    products in another way (XLA those with a dimension of one), so that its FLOPs are not known.
    """
    numbers = [counted(record, phase, "flops") for phase in phases]
    for phase, number in zip(phases, numbers, strict=True):
        if number.missing:
            return number
        if phase in record.notes and number.centre < record.phases[phase].work_flops:
            return Number(missing=record.notes[phase].rstrip("."), ignored_because="not counted")
    return Number.exact(sum(number.centre for number in numbers))


def time_ratio(records: Sequence[Record], of: Sequence[str], over: Sequence[str], calibration: Calibration) -> Number:
    """Compute the time of some phases over that of others.

    The interval is computed like that of a record's `ratio`. Two records are two processes, each with its own offset.
    Disturbed records have no ratio, because it would not depend on their programs alone.

    Args:
        records: one record, or two: then the result is the ratio of the first over that of the second.
        of: the phases in the numerator.
        over: the phases in the denominator.
        calibration: how far processes differ on the machine that measured the records.
    """
    for record in records:
        if record.noise:
            return Number(missing=f"{record.variant} was disturbed ({record.noise})")
        if absent := [phase for phase in (*of, *over) if phase not in record.samples[0]["seconds"]]:
            return Number(missing=f"{record.variant} has no phase {absent[0]}")
    trials = min(len(record.samples) for record in records)
    by_record = [
        [stats.within(_log_ratios(trial["seconds"], of, over)) for trial in record.samples[:trials]]
        for record in records
    ]
    centres = np.array([[estimate.centre for estimate in estimates] for estimates in by_record])
    errors = np.array([[estimate.se for estimate in estimates] for estimates in by_record])
    differences = centres[0] - centres[1:].sum(axis=0)
    # The standard deviation of such a difference of logarithms from process to process.
    spreads = [calibration.of(record) for record in records]
    sigma = math.hypot(*(spread.sigma["marginal" if "inference" in over else "ratio"] for spread in spreads))
    weight = min(spread.df for spread in spreads)
    estimate = stats.moderated(differences, np.sqrt((errors**2).sum(axis=0)), sigma, weight)
    half_width = estimate.half_width()
    if math.isnan(half_width):
        return Number(missing="too few pairs for an interval; raise measure.budget_s")
    low, centre, high = (math.exp(estimate.centre + offset) for offset in (-half_width, 0.0, half_width))
    return Number(low, centre, high)


def _log_ratios(seconds: dict[str, list[float]], of: Sequence[str], over: Sequence[str]) -> np.ndarray:
    """Compute the logarithm of the ratio in each cycle of a trial."""
    numerator, denominator = (np.sum([seconds[phase] for phase in phases], axis=0) for phases in (of, over))
    return stats.log_ratio(numerator, denominator)
