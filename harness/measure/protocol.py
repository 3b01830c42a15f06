"""The protocol between parent and worker: one JSON object per line, in each direction. No pickle.

The parent sends `{"ask": name, ...}`; the worker answers `{"answer": {...}}` or
`{"failed": outcome, "reason": sentence, "details": traceback}`. The requests, in the order in which they are sent:

- `open` (framework, device, threads, precision): import the adapter. The answer is empty.
- `reference` (folder, draw): compute loss and gradients in float64 and write them; with `draw`, draw the arrays first.
  The worker is opened with precision fp64 and asked for nothing else. The answer is empty.
- `load` (folder, execution, choices, phases): put the arrays on the device, call each phase once; with `phases`, only
  those of them that the program has, and later requests leave the others out too. Answer: `Loaded`.
- `verify`: check loss and every gradient against the oracle. Answer: `Verified`, or it fails as `invalid`.
- `count`: count the multiplies in each phase of the executed program. Answer: `Counted` by phase, or it fails as
  `invalid` if they are not the expected ones.
- `cold`: from now on, empty the caches before each timed call. Answer: what a record says of it (said).
- `warm` (limit_s): run cycles until the times are stable. Answer: `WarmUp`.
- `measure` (cycles, repeat, stretch): time cycles. Answer: `Samples` (see `clock.py`).
- `loop` (chain, least_s): call phases in turn for so many seconds, for their energy. Answer: how often (calls).
- `peak_memory`: the most of the device's memory in use in each phase. Answer: `PeakMemory`.
- `device_clock`: time each phase by the host's clock and the device's own, in calls of their own. Answer:
  `DeviceClock`.
- `reduction`: what the framework tells of its reductions among replicas. Answer: seconds by name, perhaps none.
- `in_place` (passes): run forward and backward so many times under the framework's profiler. Answer: `InPlace`.
- `own_in_place` (passes): the same of a user's own model. Answer: `OwnInPlace`.
- `keep`: keep the program when another one is loaded. Answer: its number, from 0.
- `use` (number): make a kept program the one that is warmed, measured and shown in place. The answer is empty.
- `measure_in_turn` (numbers, cycles): time kept programs in turn (see `in_turn.py`). Answer: seconds by phase of each.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

# An answer holds at most a few thousand samples; a longer line than this was not written by our worker.
LONGEST_LINE = 16 * 2**20


class Outcome(StrEnum):
    """The way in which a variant ended. Every outcome is a result, and the sweep continues after it."""

    OK = "ok"
    INVALID = "invalid"  # differs from the oracle, or executes other multiplies than requested
    UNSUPPORTED = "unsupported"  # the framework cannot do it
    OOM = "oom"  # out of memory
    TIMEOUT = "timeout"  # no answer by the deadline
    CRASHED = "crashed"  # the process died
    ERROR = "error"  # the framework raised an exception, or the worker wrote an invalid answer


@dataclass(frozen=True)
class Loaded:
    """A program that is ready to be verified and measured.

    Attributes:
        first_call_s: seconds of each phase's first call (trace, compile and tune).
        described: the settings that the adapter reports.
        reference: where the loss and gradients that it is compared with were computed.
    """

    first_call_s: dict[str, float]
    described: dict[str, str]
    reference: str


@dataclass(frozen=True)
class Verified:
    """The loss, the relative errors of loss and gradients (norm-wise) against the oracle, and the size of residuals.

    `parameters` is the number of trained values of a user's own model; None where the trace tells it.
    """

    loss: float
    loss_error: float
    gradient_errors: dict[str, float]
    residual_bytes: int
    parameters: int | None = None


@dataclass(frozen=True)
class Counted:
    """Multiplies and convolutions that one phase executes.

    Attributes:
        matmuls: their number.
        flops: their FLOPs.
        seen: the FLOPs by the framework's own counter; None if it has none.
        note: why the count differs from the requested one; empty if it does not.
    """

    matmuls: int
    flops: int
    seen: int | None
    note: str


@dataclass(frozen=True)
class WarmUp:
    """What is known of a program whose times are stable.

    Attributes:
        seconds: of each phase.
        cycles: how many were run until then.
        repeat: how often to repeat a call per timing.
        untimed_s: seconds of a cycle in which the caches are emptied.
    """

    seconds: dict[str, float]
    cycles: int
    repeat: int
    untimed_s: float = 0.0

    @property
    def cycle_s(self) -> float:
        """Seconds that one timed cycle takes."""
        return self.repeat * sum(self.seconds.values()) + self.untimed_s


@dataclass(frozen=True)
class PeakMemory:
    """The most bytes of the device's memory in use at once in each phase, or one sentence that says why there are none.

    `source` says in a few words who counted them.
    """

    peak_bytes: dict[str, int] = field(default_factory=dict)
    source: str = ""
    reason: str = ""


@dataclass(frozen=True)
class DeviceClock:
    """Each phase by the host's clock and by the device's own, each in calls of their own.

    Attributes:
        host_s: seconds by the host's clock.
        events_s: seconds between the framework's events on the device, gaps included; empty if it has none.
        device_s: seconds in which the device worked; empty if it has no clock of its own that can be read.
        kernels: how many kernels ran.
        reason: one sentence that says why `device_s` is empty; empty if it is not.
    """

    host_s: dict[str, float] = field(default_factory=dict)
    events_s: dict[str, float] = field(default_factory=dict)
    device_s: dict[str, float] = field(default_factory=dict)
    kernels: dict[str, int] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True)
class InPlace:
    """Seconds of each call of an op inside runs of the whole program, or one sentence that says why there are none.

    `seconds` has them by the call's place in the trace, then by direction: see `adapters/profiled.py`.
    """

    seconds: dict[str, dict[str, float]] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True)
class OwnInPlace:
    """What each op of a user's own model takes in a run of it, or one sentence that says why nothing is shown.

    `ops` has the fields of `OpTimes` in `adapters/profiled.py`: seconds are medians over several runs.
    """

    ops: list[dict[str, Any]] = field(default_factory=list)
    reason: str = ""


class Failure(Exception):
    """Raised when a variant ends other than `ok`: its outcome, the reason in one sentence, and details for the log."""

    def __init__(self, outcome: Outcome, reason: str, details: str = "") -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason
        self.details = details


def encode(message: dict[str, Any]) -> bytes:
    """Encode a message as one line. Raises ValueError for NaN and infinity, which JSON does not have."""
    return json.dumps(message, allow_nan=False).encode() + b"\n"


def decode_answer(line: bytes) -> dict[str, Any]:
    """Decode a worker's line. Raises Failure if it reports a failure, or is not a valid answer."""
    try:
        message = json.loads(line)
        if "answer" in message:
            return dict(message["answer"])
        failure = Failure(Outcome(message["failed"]), str(message["reason"]), str(message["details"]))
    except (ValueError, KeyError, TypeError) as error:
        shown = line[:80].decode(errors="replace").strip()
        raise Failure(Outcome.ERROR, f"the worker wrote {shown!r}, which is no answer ({error})") from error
    raise failure
