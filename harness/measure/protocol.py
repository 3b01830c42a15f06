"""What crosses the pipe between parent and worker: one JSON object a line, each way. No pickle.

The parent asks `{"ask": name, ...}`; the worker answers `{"answer": {...}}` or
`{"failed": outcome, "reason": sentence, "details": traceback}`. Asks, in the order they come:

- `open` (framework, device, threads, precision): import the adapter.
- `load` (folder, execution, choices): arrays to the device, first call of each phase; answers their seconds, and the
  adapter's description of what is in force.
- `verify`: loss and every gradient against the oracle; answers the errors, or fails as `invalid`.
- `count`: multiplies in each phase of the executed program; fails as `invalid` where they are not those expected.
- `warm` (limit_s): cycles until the times are stable; answers seconds per phase.
- `measure` (cycles, repeat, stretch): timed cycles; answers the samples (see `clock.py`).
- `device_clock`: each phase by the host's clock and by the device's own (`make gpu-check`).
"""

from __future__ import annotations

import json
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
