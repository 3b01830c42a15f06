"""What a prediction is compared with: a number out of records, and the band that it should lie in.

Each rule is a dataclass whose fields are its parameters in a `claim` block; `low` and `high` are the predicted band,
ends included, null for no end. Raises ValueError, in a sentence, for a parameter that cannot be.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from pydantic import ConfigDict, StrictFloat, StrictInt

from adapters.base import CHOICES, EXTRA_PHASES, PHASES

from ..records.calibration import Calibration
from ..records.record import Record
from ..workload.backprop import wants
from ..workload.operations import count
from ..workload.workload import Workload
from .quantities import Number, counted, flops, time_ratio

STRICT = ConfigDict(extra="forbid")  # of what a claim may give for a rule

COUNTED, TIMED = "counted", "timed"


class Rule(Protocol):
    """One kind of prediction; `kind` says whether it is of counts or of times."""

    kind: ClassVar[str]

    def concerns(self, record: Record) -> bool:
        """Whether the prediction is about this record; some only give another one its measure."""

    def number(self, record: Record, records: Sequence[Record], calibration: Calibration) -> Number:
        """The number of a `record` that is ok; `records` are all of the study."""

    def band(self, record: Record) -> tuple[float, float]:
        """Where the number should lie."""


@dataclass(frozen=True)
class Matmuls:
    """Multiplies executed in `phase`: per_layer * L + plus in a network of L = model.depth layers."""

    __pydantic_config__ = STRICT
    phase: str
    per_layer: StrictInt
    plus: StrictInt
    kind: ClassVar[str] = COUNTED

    def __post_init__(self) -> None:
        _phases(self.phase)

    def concerns(self, record: Record) -> bool:
        return "depth" in record.workload["sizes"]

    def number(self, record: Record, records: Sequence[Record], calibration: Calibration) -> Number:
        return counted(record, self.phase, "matmuls")

    def band(self, record: Record) -> tuple[float, float]:
        count = self.per_layer * record.workload["sizes"]["depth"] + self.plus
        return count, count


@dataclass(frozen=True)
class _Banded:
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
    """Operations of a single op's gradient over those of its forward, counted as its rules perform them."""

    kind: ClassVar[str] = COUNTED

    def concerns(self, record: Record) -> bool:
        return "op" in record.workload["sizes"]

    def number(self, record: Record, records: Sequence[Record], calibration: Calibration) -> Number:
        graph = Workload.from_dict(record.workload).graph
        call = graph.calls[0]
        inputs = [graph.specs[number] for number in call.inputs]
        found = count(call.op, inputs, wants(graph, call), **call.attrs)
        if not found.forward:
            return Number(missing=f"{call.op} has no operations on single elements")
        return Number.exact(found.backward / found.forward)


@dataclass(frozen=True)
class _OfOver(_Banded):
    of: tuple[str, ...]
    over: tuple[str, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        _phases(*self.of, *self.over)
        if not (self.of and self.over):
            raise ValueError("of and over: each must name a phase, such as backward and forward")


@dataclass(frozen=True)
class Flops(_OfOver):
    """FLOPs executed in phases `of` over those in phases `over`; an optimizer adds `per_parameter` to the first."""

    per_parameter: StrictInt = 0
    kind: ClassVar[str] = COUNTED

    def number(self, record: Record, records: Sequence[Record], calibration: Calibration) -> Number:
        top, bottom = flops(record, self.of), flops(record, self.over)
        if lacking := _lacking(top, bottom) or _nothing(bottom):
            return lacking
        return Number.exact((top.centre + self.per_parameter * record.metrics["parameters"]) / bottom.centre)


@dataclass(frozen=True)
class Time(_OfOver):
    """Time of phases `of` over that of phases `over`, from pairs measured next to each other."""

    kind: ClassVar[str] = TIMED

    def number(self, record: Record, records: Sequence[Record], calibration: Calibration) -> Number:
        return time_ratio([record], self.of, self.over, calibration)


@dataclass(frozen=True)
class TimeOverFlops(_OfOver):
    """`Time` over the `Flops` of the same phases: 1 where the clock says what the count says."""

    kind: ClassVar[str] = TIMED

    def number(self, record: Record, records: Sequence[Record], calibration: Calibration) -> Number:
        top, bottom = flops(record, self.of), flops(record, self.over)
        if lacking := _lacking(top, bottom):
            return lacking
        if lacking := _nothing(top) or _nothing(bottom):
            return lacking
        return time_ratio([record], self.of, self.over, calibration).over(top.centre / bottom.centre)


@dataclass(frozen=True)
class _Against(_OfOver):
    choice: str
    value: Any
    against: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        _known("choice", self.choice, tuple(CHOICES))
        _known("value", self.value, CHOICES[self.choice])
        _known("against", self.against, CHOICES[self.choice])

    def concerns(self, record: Record) -> bool:
        return bool(record.choices[self.choice] == self.value)

    def other(self, record: Record, records: Sequence[Record]) -> Record | None:
        """The record that is ok, and of the same work and variant but for the choice."""
        wanted = (record.workload, record.framework, record.execution, record.choices | {self.choice: self.against})
        for other in records:
            if (other.workload, other.framework, other.execution, other.choices) == wanted and other.outcome == "ok":
                return other
        return None


@dataclass(frozen=True)
class AddedFlops(_Against):
    """FLOPs that the choice of `value` adds to phases `of`, over the FLOPs of phases `over`."""

    kind: ClassVar[str] = COUNTED

    def number(self, record: Record, records: Sequence[Record], calibration: Calibration) -> Number:
        other = self.other(record, records)
        if other is None:
            return Number(missing=f"{self.choice}={self.against} was not measured beside it")
        now, before, unit = flops(record, self.of), flops(other, self.of), flops(other, self.over)
        if lacking := _lacking(now, before, unit) or _nothing(unit):
            return lacking
        return Number.exact((now.centre - before.centre) / unit.centre)


@dataclass(frozen=True)
class TimeFactor(_Against):
    """`Time` with the choice of `value` over that with the other: `over` is the measure that both have in common."""

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


def _lacking(*numbers: Number) -> Number | None:
    return next((number for number in numbers if number.missing), None)


def _nothing(divisor: Number) -> Number | None:
    """In place of a ratio to a count of zero."""
    return None if divisor.centre else Number(missing="it executes no multiplies to compare with")


def _phases(*names: str) -> None:
    for name in names:
        _known("phase", name, (*PHASES, *EXTRA_PHASES))


def _known(what: str, value: Any, allowed: tuple[Any, ...]) -> None:
    if not any(type(value) is type(one) and value == one for one in allowed):
        raise ValueError(f"{what}={value}: not known; choose from {', '.join(str(one).lower() for one in allowed)}")
