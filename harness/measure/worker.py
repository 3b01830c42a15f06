"""The parent's side of the workers: starts, pauses, asks with a deadline, ends. Never spins while it waits."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, TypeVar

from ..paths import ROOT
from .clock import Samples
from .protocol import (
    LONGEST_LINE,
    Counted,
    DeviceClock,
    Failure,
    Loaded,
    Outcome,
    Verified,
    WarmUp,
    decode_answer,
    encode,
)

T = TypeVar("T")
NO_CHOICES: Mapping[str, Any] = MappingProxyType({})

# How glibc's malloc treats what is freed. By default it returns large arrays to the system, and the next pass pays for
# fresh, zeroed pages: 5 to 20 % of a backward pass in torch, more in one process than in the next. Kept memory is
# what caching allocators (a GPU's, jemalloc) give.
MALLOC: dict[str, dict[str, str]] = {
    "kept": {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40), "MALLOC_TOP_PAD_": str(2**26)},
    "returned": {},
}

_DYING_S = 10  # between the end of a process's pipes and its own


class Worker:
    """One child process. It runs only while it is asked something; otherwise it is stopped (SIGSTOP).

    Start it from the main thread: the child dies with the thread that started it.
    """

    def __init__(self, interpreter: str, cpus: Sequence[int], log: Path, environment: Mapping[str, str]) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        with log.open("ab") as stderr:
            self.process = subprocess.Popen(
                [interpreter, "-m", "harness.measure.child", str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd=ROOT,
                env=os.environ | dict(environment),
                bufsize=0,
            )
        # Before the first ask nothing is imported that sizes its thread pool by the CPUs it may use.
        os.sched_setaffinity(self.process.pid, cpus)
        self._buffer = b""

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def ask(self, name: str, deadline_s: float, **arguments: Any) -> dict[str, Any]:
        """The worker's answer. Raises Failure, and ends the worker, if there is none by the deadline."""
        try:
            self._signal(signal.SIGCONT)
            line = self._exchange(encode({"ask": name, **arguments}), name, deadline_s)
            self._signal(signal.SIGSTOP)
            return decode_answer(line)
        except Failure as failure:
            self.close()
            if failure.details:
                with self.log.open("a") as log:
                    log.write(f"\n--- {name}: {failure.outcome}: {failure.reason}\n{failure.details}\n")
            raise

    def open(self, deadline_s: float, *, framework: str, device: str, threads: int, precision: str) -> None:
        """Import the adapter. Every ask raises Failure as `ask` does."""
        self.ask("open", deadline_s, framework=framework, device=device, threads=threads, precision=precision)

    def load(self, deadline_s: float, folder: Path, execution: str, choices: Mapping[str, Any] = NO_CHOICES) -> Loaded:
        """Put the workload of a folder on the device, and call each phase for the first time."""
        arguments = {"folder": os.fspath(folder), "execution": execution, "choices": dict(choices)}
        return self._typed(Loaded, self.ask("load", deadline_s, **arguments))

    def verify(self, deadline_s: float) -> Verified:
        """Hold loss and gradients against the oracle."""
        return self._typed(Verified, self.ask("verify", deadline_s))

    def count(self, deadline_s: float) -> dict[str, Counted]:
        """Count the multiplies that each phase executes."""
        return {phase: self._typed(Counted, count) for phase, count in self.ask("count", deadline_s).items()}

    def warm(self, deadline_s: float, limit_s: float) -> WarmUp:
        """Run cycles until their times are stable, for `limit_s` at most."""
        return self._typed(WarmUp, self.ask("warm", deadline_s, limit_s=limit_s))

    def measure(self, deadline_s: float, cycles: int, repeat: int, stretch: float = 0.0) -> Samples:
        """Time cycles, each phase `repeat` times between two looks at the clock; prolong backward by `stretch`."""
        return self._typed(Samples, self.ask("measure", deadline_s, cycles=cycles, repeat=repeat, stretch=stretch))

    def device_clock(self, deadline_s: float) -> DeviceClock:
        """Time each phase by the host's clock and by the device's own."""
        return self._typed(DeviceClock, self.ask("device_clock", deadline_s))

    def close(self) -> None:
        """End the process immediately, paused or not."""
        self._signal(signal.SIGKILL)
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _typed(self, kind: Callable[..., T], answer: Mapping[str, Any]) -> T:
        try:
            return kind(**answer)
        except TypeError as error:
            self.close()
            raise Failure(Outcome.ERROR, f"the worker's answer has other fields than it should ({error})") from error

    def _signal(self, number: signal.Signals) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)

    def _exchange(self, line: bytes, name: str, deadline_s: float) -> bytes:
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write(line)
        except BrokenPipeError:
            raise self._died(name) from None
        end = time.monotonic() + deadline_s
        readable = select.poll()
        readable.register(self.process.stdout, select.POLLIN | select.POLLHUP)
        while b"\n" not in self._buffer:
            if not readable.poll(max(0.0, end - time.monotonic()) * 1000):
                raise Failure(Outcome.TIMEOUT, f"no answer to {name!r} within {deadline_s:.0f} s; see {self._log_name}")
            chunk = os.read(self.process.stdout.fileno(), 2**16)
            if not chunk:
                raise self._died(name)
            self._buffer += chunk
            if len(self._buffer) > LONGEST_LINE:
                raise Failure(Outcome.ERROR, f"the worker's answer to {name!r} is longer than {LONGEST_LINE} bytes")
        answer, _, self._buffer = self._buffer.partition(b"\n")
        return answer

    @property
    def _log_name(self) -> str:
        """The log as a user would type it."""
        return os.path.relpath(self.log)

    def _died(self, name: str) -> Failure:
        try:
            code = self.process.wait(_DYING_S)
        except subprocess.TimeoutExpired:
            return Failure(Outcome.ERROR, f"the worker closed its pipe during {name!r}; see {self._log_name}")
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return Failure(Outcome.CRASHED, f"the worker {how} during {name!r}; see {self._log_name}")
