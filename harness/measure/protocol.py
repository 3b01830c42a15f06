"""What crosses the pipe between parent and worker: one JSON object a line, each way. No pickle.

The parent asks `{"ask": name, ...}`; the worker answers `{"answer": {...}}` or
`{"failed": outcome, "reason": sentence, "details": traceback}`. Asks, in the order they come:

- `open` (framework, device, threads, precision): import the adapter.
- `load` (folder, execution, choices): arrays to the device, first call of each phase. Answers `Loaded`.
- `verify`: loss and every gradient against the oracle. Answers `Verified`, or fails as `invalid`.
- `count`: multiplies in each phase of the executed program. Answers `Counted` by phase, or fails as `invalid` where
  they are not those expected.
- `warm` (limit_s): cycles until the times are stable. Answers `WarmUp`.
- `measure` (cycles, repeat, stretch): timed cycles. Answers `Samples` (see `clock.py`).
- `device_clock`: each phase by the host's clock and by the device's own (`make gpu-check`). Answers `DeviceClock`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

# One answer holds at most a few thousand samples; more than this on one line is not ours.
LONGEST_LINE = 16 * 2**20


class Outcome(StrEnum):
    """How a variant ended. Each is a result, and the sweep goes on after it."""

    OK = "ok"
    INVALID = "invalid"  # computes something else than the oracle, or by other multiplies than asked
    UNSUPPORTED = "unsupported"  # the framework cannot do it
    OOM = "oom"  # out of memory
    TIMEOUT = "timeout"  # no answer by the deadline
    CRASHED = "crashed"  # the process died
    ERROR = "error"  # the framework raised, or the worker wrote rubbish


@dataclass(frozen=True)
class Loaded:
    """Seconds of each phase's first call (trace, compile and tune), and what the adapter says is in force."""

    first_call_s: dict[str, float]
    described: dict[str, str]


@dataclass(frozen=True)
class Verified:
    """The loss, relative errors of loss and gradients (norm-wise) against the oracle, and what forward keeps."""

    loss: float
    loss_error: float
    gradient_errors: dict[str, float]
    residual_bytes: int


@dataclass(frozen=True)
class Counted:
    """Multiplies and convolutions of one phase that run, their FLOPs, and why they are not those asked for.

    `seen` is what the framework's own counter says of the FLOPs, None where it has none; `note` is empty where nothing
    departs from the trace.
    """

    matmuls: int
    flops: int
    seen: int | None
    note: str


@dataclass(frozen=True)
class WarmUp:
    """Seconds of each phase once they are stable, the cycles that took, and calls per timed block."""

    seconds: dict[str, float]
    cycles: int
    repeat: int

    @property
    def cycle_s(self) -> float:
        """Seconds of one timed cycle."""
        return self.repeat * sum(self.seconds.values())


@dataclass(frozen=True)
class DeviceClock:
    """Seconds of each phase by the host's clock and by the device's own; the second is empty without one."""

    host_s: dict[str, float]
    device_s: dict[str, float]


class Failure(Exception):
    """A variant that ended otherwise than `ok`: outcome, one sentence, and details for the log."""

    def __init__(self, outcome: Outcome, reason: str, details: str = "") -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason
        self.details = details


def encode(message: dict[str, Any]) -> bytes:
    """One line. Raises ValueError for NaN and infinity, which JSON does not have."""
    return json.dumps(message, allow_nan=False).encode() + b"\n"


def decode_answer(line: bytes) -> dict[str, Any]:
    """The answer in a worker's line. Raises Failure if it says so, or if it is no answer at all."""
    try:
        message = json.loads(line)
        if "answer" in message:
            return dict(message["answer"])
        failure = Failure(Outcome(message["failed"]), str(message["reason"]), str(message["details"]))
    except (ValueError, KeyError, TypeError) as error:
        shown = line[:80].decode(errors="replace").strip()
        raise Failure(Outcome.ERROR, f"the worker wrote {shown!r}, which is no answer ({error})") from error
    raise failure
