"""The rules of predictions: which number to compute from records, and the band in which it should lie.

Each rule is a dataclass whose fields are its parameters in a `claim` block. `low` and `high` are the ends of the
predicted band, inclusive; null for no end. Invalid parameters raise ValueError with a message of one sentence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from pydantic import StrictFloat, StrictInt

from adapters.base import EXTRA_PHASES, PHASES
from adapters.choices import CHOICES

from ..job import STRICT
from ..records.calibration import Calibration
from ..records.record import Record
from ..workload.backprop import wants
from ..workload.operations import count
from ..workload.workload import Workload
from .quantities import Number, counted, flops, time_ratio

COUNTED, TIMED = "counted", "timed"


class Rule(Protocol):
    """The rule of a prediction. `kind` is COUNTED or TIMED: the number is a count, or comes from the clock."""

    kind: ClassVar[str]

    def concerns(self, record: Record) -> bool:
        """Return True if the prediction is about this record; some records only serve as a baseline for others."""

    def number(self, record: Record, records: Sequence[Record], calibration: Calibration) -> Number:
        """Compute the number of a record whose outcome is ok. `records` are all records of the study."""

    def band(self, record: Record) -> tuple[float, float]:
        """Return the ends of the band in which the number should lie."""


@dataclass(frozen=True)
class Matmuls:
    """Predicts the multiplies executed in `phase`: per_layer * L + plus in a network of L = model.depth layers."""

    __pydantic_config__ = STRICT
    phase: str
    per_layer: StrictInt
    plus: StrictInt
    kind: ClassVar[str] = COUNTED

    def __post_init__(self) -> None:
        _check_phases(self.phase)

    def concerns(self, record: Record) -> bool:
        return "depth" in record.workload["sizes"]

    def number(self, record: Record, records: Sequence[Record], calibration: Calibration) -> Number:
        return counted(record, self.phase, "matmuls")

    def band(self, record: Record) -> tuple[float, float]:
        matmuls = self.per_layer * record.workload["sizes"]["depth"] + self.plus
        return matmuls, matmuls


@dataclass(frozen=True)
class _Banded:
    """A rule whose band is the same for every record."""

    __pydantic_config__ = STRICT
    low: StrictFloat | None
    high: StrictFloat | None

    def __post_init__(self) -> None:
        low, high = self._ends
        if not low <= high:
            raise ValueError(f"low={self.low}, high={self.high}: must be a band, its lower end first")

    def concerns(self, record: Record) -> bool:
        return True

    def band(self, record: Record) -> tuple[float, float]:
        return self._ends

    @property
    def _ends(self) -> tuple[float, float]:
        return -math.inf if self.low is None else self.low, math.inf if self.high is None else self.high


@dataclass(frozen=True)
class Operations(_Banded):
    """Predicts the operations of a single op's gradient over those of its forward, as the catalogue's rules count."""

    kind: ClassVar[str] = COUNTED

    def concerns(self, record: Record) -> bool:
        return "op" in record.workload["sizes"]

    def number(self, record: Record, records: Sequence[Record], calibration: Calibration) -> Number:
        graph = Workload.from_dict(record.workload).graph
        call = graph.calls[0]
        inputs = [graph.specs[number] for number in call.inputs]
        operations = count(call.op, inputs, wants(graph, call), **call.attrs)
        if not operations.forward:
            return Number(missing=f"{call.op} has no operations on single elements")
        return Number.exact(operations.backward / operations.forward)


@dataclass(frozen=True)
class _OfOver(_Banded):
    """A rule about phases `of` over phases `over`."""

    of: tuple[str, ...]
    over: tuple[str, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_phases(*self.of, *self.over)
        if not (self.of and self.over):
            raise ValueError("of and over: each must name a phase, such as backward and forward")


@dataclass(frozen=True)
class Flops(_OfOver):
    """Predicts the FLOPs of phases `of`, plus an optimizer's `per_parameter`, over the FLOPs of phases `over`."""

    per_parameter: StrictInt = 0
    kind: ClassVar[str] = COUNTED

    def number(self, record: Record, records: Sequence[Record], calibration: Calibration) -> Number:
        numerator, denominator = flops(record, self.of), flops(record, self.over)
        if missing := _first_missing(numerator, denominator) or _missing_if_zero(denominator):
            return missing
        return Number.exact((numerator.centre + self.per_parameter * record.metrics["parameters"]) / denominator.centre)


@dataclass(frozen=True)
class Time(_OfOver):
    """Predicts the time of phases `of` over that of phases `over`, from pairs measured next to each other."""

    kind: ClassVar[str] = TIMED

    def number(self, record: Record, records: Sequence[Record], calibration: Calibration) -> Number:
        return time_ratio([record], self.of, self.over, calibration)


@dataclass(frozen=True)
class TimeOverFlops(_OfOver):
    """Predicts a ratio of times over the ratio of FLOPs of the same phases: 1 if the clock agrees with the count."""

    kind: ClassVar[str] = TIMED

    def number(self, record: Record, records: Sequence[Record], calibration: Calibration) -> Number:
        numerator, denominator = flops(record, self.of), flops(record, self.over)
        if missing := _first_missing(numerator, denominator):
            return missing
        if missing := _missing_if_zero(numerator) or _missing_if_zero(denominator):
            return missing
        return time_ratio([record], self.of, self.over, calibration).over(numerator.centre / denominator.centre)


@dataclass(frozen=True)
class _Against(_OfOver):
    """A rule that compares a record, with one value of a choice, with a baseline record that has another value."""

    choice: str
    value: Any
    against: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        _check("choice", self.choice, tuple(CHOICES))
        _check("value", self.value, CHOICES[self.choice])
        _check("against", self.against, CHOICES[self.choice])

    def concerns(self, record: Record) -> bool:
        return bool(record.choices[self.choice] == self.value)

    def other(self, record: Record, records: Sequence[Record]) -> Record | None:
        """Find the baseline: a record with outcome ok that differs only in the choice. None if there is none."""
        baseline = (record.workload, record.framework, record.execution, record.choices | {self.choice: self.against})
        for other in records:
            if (other.workload, other.framework, other.execution, other.choices) == baseline and other.outcome == "ok":
                return other
        return None


@dataclass(frozen=True)
class AddedFlops(_Against):
    """Predicts the FLOPs that a choice adds to phases `of`, over the baseline's FLOPs of phases `over`."""

    kind: ClassVar[str] = COUNTED

    def number(self, record: Record, records: Sequence[Record], calibration: Calibration) -> Number:
        other = self.other(record, records)
        if other is None:
            return Number(missing=f"{self.choice}={self.against} was not measured beside it")
        total, baseline, unit = flops(record, self.of), flops(other, self.of), flops(other, self.over)
        if missing := _first_missing(total, baseline, unit) or _missing_if_zero(unit):
            return missing
        return Number.exact((total.centre - baseline.centre) / unit.centre)


@dataclass(frozen=True)
class TimeFactor(_Against):
    """Predicts the factor by which a choice changes the time of phases `of` over `over`, against the baseline."""

    kind: ClassVar[str] = TIMED

    def number(self, record: Record, records: Sequence[Record], calibration: Calibration) -> Number:
        other = self.other(record, records)
        if other is None:
            return Number(missing=f"{self.choice}={self.against} was not measured beside it")
        return time_ratio([record, other], self.of, self.over, calibration)


RULES: dict[str, type] = {
    "matmuls": Matmuls,
    "flops": Flops,
    "added_flops": AddedFlops,
    "operations": Operations,
    "time": Time,
    "time_over_flops": TimeOverFlops,
    "time_factor": TimeFactor,
}


def _first_missing(*numbers: Number) -> Number | None:
    """Return the first number that is missing; None if there is none."""
    return next((number for number in numbers if number.missing), None)


def _missing_if_zero(divisor: Number) -> Number | None:
    """Return a missing number in place of a ratio to a count of zero; None if the count is not zero."""
    return None if divisor.centre else Number(missing="it executes no multiplies to compare with")


def _check_phases(*names: str) -> None:
    """Raise ValueError unless every name is a phase."""
    for name in names:
        _check("phase", name, (*PHASES, *EXTRA_PHASES))


def _check(parameter: str, value: Any, allowed: tuple[Any, ...]) -> None:
    """Raise ValueError unless the value of a parameter is an allowed one of the same type (true is not 1)."""
    if not any(type(value) is type(option) and value == option for option in allowed):
        options = ", ".join(str(option).lower() for option in allowed)
        raise ValueError(f"{parameter}={value}: not known; choose from {options}")
