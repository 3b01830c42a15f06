"""The worker's process: one variant of one workload. One ask, one answer (`protocol.py`).

It imports the standard library, NumPy and its own framework, and ends when its parent does. It talks only over the
anonymous pipe inherited from its parent, and exits if its parent is not the process whose number it was given.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from .protocol import DeviceClock, Failure, Loaded, Outcome, WarmUp, encode

# Substrings that identify an out-of-memory error in the frameworks' own exceptions.
_OUT_OF_MEMORY = ("out of memory", "resource_exhausted", "resource exhausted", "can't allocate memory", "bad_alloc")


ASKS = ("open", "load", "verify", "count", "device_clock", "warm", "measure")


class Session:
    """What the worker holds between asks: a method for each of `ASKS`.

    Frameworks are imported by `open`, when the CPUs are already set.
    """

    def open(self, framework: str, device: str, threads: int, precision: str) -> dict[str, Any]:
        from adapters.base import Unsupported

        try:
            module = importlib.import_module(f"adapters.{framework}")
            self.adapter = module.Adapter(device, threads, precision)
        except Unsupported as error:
            raise Failure(Outcome.UNSUPPORTED, str(error)) from error
        except ModuleNotFoundError as error:
            wanted = f"{framework} is not installed for {sys.executable} (no module {error.name!r})"
            raise Failure(Outcome.UNSUPPORTED, wanted) from error
        return {}

    def load(self, folder: str, execution: str, choices: dict[str, Any] | None = None) -> dict[str, Any]:
        from adapters.base import Choices, Unsupported
        from harness.workload.workload import load

        from .clock import first_calls

        self.workload, arrays, self.expected = load(Path(folder))
        self.choices = chosen = Choices(**(choices or {}))
        self.execution = execution
        directions = self.workload.directions() if chosen.tangent else {}
        try:
            self.program = self.adapter.load(self.workload.graph, arrays, execution, chosen, directions)
            first_call_s = first_calls(self.adapter, self.program)
        except Unsupported as error:
            raise Failure(Outcome.UNSUPPORTED, str(error)) from error
        cpus = ",".join(map(str, sorted(os.sched_getaffinity(0))))
        return asdict(Loaded(first_call_s, self.adapter.describe() | {"cpus": cpus}))

    def verify(self) -> dict[str, Any]:
        from .verify import verify

        return asdict(verify(self.program, self.workload, self.expected, self.choices.optimizer))

    def count(self) -> dict[str, Any]:
        from .counted import counted

        departures = self.adapter.departures(self.execution, self.choices)
        phases = counted(self.program, self.workload.graph, departures, self.choices)
        return {phase: asdict(count) for phase, count in phases.items()}

    def device_clock(self) -> dict[str, Any]:
        from .clock import device_clock

        return asdict(DeviceClock(*device_clock(self.adapter, self.program)))

    def warm(self, limit_s: float) -> dict[str, Any]:
        from .clock import repeats, warm_up

        seconds, cycles = warm_up(self.adapter, self.program, limit_s)
        return asdict(WarmUp(seconds, cycles, repeats(seconds)))

    def measure(self, cycles: int, repeat: int, stretch: float = 0.0) -> dict[str, Any]:
        from .clock import measure

        return measure(self.adapter, self.program, cycles, repeat, stretch).as_dict()


def serve(session: Any, asks: BinaryIO, answers: BinaryIO) -> None:
    """Answer each ask in turn, until the parent closes the pipe."""
    for line in asks:
        message = json.loads(line)
        name = message.pop("ask")
        assert name in ASKS, name
        act: Callable[..., dict[str, Any]] = getattr(session, name)
        try:
            answer: dict[str, Any] = {"answer": act(**message)}
        except Exception as error:
            answer = _failed(error)
        try:
            encoded = encode(answer)
        except ValueError as error:  # NaN or infinity where a time or an error should be
            encoded = encode(_failed(error))
        answers.write(encoded)
        answers.flush()


def _failed(error: Exception) -> dict[str, Any]:
    details = traceback.format_exc()
    if isinstance(error, Failure):
        return {"failed": error.outcome, "reason": error.reason, "details": details}
    said = f"{type(error).__name__}: {error}".strip()
    first_line = said.splitlines()[0][:300]
    if isinstance(error, MemoryError) or any(word in said.lower() for word in _OUT_OF_MEMORY):
        return {"failed": Outcome.OOM, "reason": f"out of memory ({first_line})", "details": details}
    return {"failed": Outcome.ERROR, "reason": first_line, "details": details}


def _end_with_parent(parent: int) -> None:
    """Ask Linux to kill this process when its parent dies, even while it is stopped."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call above
        sys.exit(1)


def main() -> None:
    """Answers go to a private copy of stdout; whatever a framework prints goes to the log on stderr."""
    _end_with_parent(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(Session(), sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
