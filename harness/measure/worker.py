"""The parent's side of the workers: starts, pauses, asks with a deadline, ends. Never spins while it waits."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from ..paths import ROOT
from .protocol import LONGEST_LINE, Failure, Outcome, decode_answer, encode

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

    def close(self) -> None:
        """End the process at once, paused or not."""
        self._signal(signal.SIGKILL)
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()

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
