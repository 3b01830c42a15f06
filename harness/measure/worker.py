"""The parent's handle of a worker process: starts, pauses and kills it, and sends requests with a deadline.

It never spins while it waits.
"""

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
from .machine.free_memory import kernel_kills
from .protocol import (
    LONGEST_LINE,
    Counted,
    DeviceClock,
    Failure,
    InPlace,
    Loaded,
    Outcome,
    OwnInPlace,
    PeakMemory,
    Verified,
    WarmUp,
    decode_answer,
    encode,
)

T = TypeVar("T")
NO_CHOICES: Mapping[str, Any] = MappingProxyType({})

# How glibc's malloc treats freed memory. By default it returns large arrays to the system, and the next pass pays for
# fresh, zeroed pages: 5 to 20 % of a backward pass in torch, more in one process than in the next. Caching allocators
# (a GPU's, jemalloc) keep freed memory as `kept` does.
MALLOC: dict[str, dict[str, str]] = {
    "kept": {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40), "MALLOC_TOP_PAD_": str(2**26)},
    "returned": {},
}

_DYING_S = 10  # the longest wait for a process to exit after its pipes have closed


class Worker:
    """One worker process, as a context. It runs only while it handles a request; otherwise it is stopped (SIGSTOP).

    Every request raises Failure as `ask` does. Create workers in the main thread: a child process dies with the thread
    that started it.

    Args:
        interpreter: the Python to run, which has the framework.
        cpus: the CPUs that the process may use.
        log: stderr of the process, and the details of failures, are appended here.
        environment: variables to set besides those of this process.
    """

    def __init__(self, interpreter: str, cpus: Sequence[int], log: Path, environment: Mapping[str, str]) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        self._kernel_kills = kernel_kills()
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
        # Nothing imported before the first request sizes its thread pool by the CPUs it may use.
        os.sched_setaffinity(self.process.pid, cpus)
        self._buffer = b""

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def ask(self, name: str, deadline_s: float, **arguments: Any) -> dict[str, Any]:
        """Send a request and return the worker's answer.

        Raises Failure, and kills the worker, if the answer reports a failure or does not come by the deadline.
        """
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
        """Import the adapter and its framework."""
        self.ask("open", deadline_s, framework=framework, device=device, threads=threads, precision=precision)

    def reference(self, deadline_s: float, folder: Path, draw: bool) -> None:
        """Write the framework's reference of the workload in a folder; with `draw`, draw its arrays first."""
        self.ask("reference", deadline_s, folder=os.fspath(folder), draw=draw)

    def load(
        self,
        deadline_s: float,
        folder: Path,
        execution: str,
        choices: Mapping[str, Any] = NO_CHOICES,
        phases: Sequence[str] = (),
    ) -> Loaded:
        """Load the workload saved in a folder, put it on the device, and call each phase for the first time.

        With `phases`, the program has no others.
        """
        arguments = {"folder": os.fspath(folder), "execution": execution, "choices": dict(choices)}
        arguments |= {"phases": list(phases)} if phases else {}
        return self._typed(Loaded, self.ask("load", deadline_s, **arguments))

    def verify(self, deadline_s: float) -> Verified:
        """Check loss and gradients of every phase against the oracle."""
        return self._typed(Verified, self.ask("verify", deadline_s))

    def count(self, deadline_s: float) -> dict[str, Counted]:
        """Count the multiplies that each phase executes."""
        return {phase: self._typed(Counted, count) for phase, count in self.ask("count", deadline_s).items()}

    def cold(self, deadline_s: float) -> str:
        """Have the caches emptied before each timed call. Returns what a record says of it."""
        return str(self.ask("cold", deadline_s)["said"])

    def warm(self, deadline_s: float, limit_s: float) -> WarmUp:
        """Run cycles until their times are stable, for at most `limit_s`."""
        return self._typed(WarmUp, self.ask("warm", deadline_s, limit_s=limit_s))

    def measure(self, deadline_s: float, cycles: int, repeat: int, stretch: float = 0.0) -> Samples:
        """Time cycles, with `repeat` calls of a phase per timing; `stretch` prolongs each backward by that share."""
        return self._typed(Samples, self.ask("measure", deadline_s, cycles=cycles, repeat=repeat, stretch=stretch))

    def loop(self, deadline_s: float, chain: Sequence[str], least_s: float) -> int:
        """Call phases in turn for `least_s`, each with the result of the one before. Returns how often."""
        return int(self.ask("loop", deadline_s, chain=list(chain), least_s=least_s)["calls"])

    def peak_memory(self, deadline_s: float) -> PeakMemory:
        """Ask for the most of the device's memory that each phase needs."""
        return self._typed(PeakMemory, self.ask("peak_memory", deadline_s))

    def device_clock(self, deadline_s: float) -> DeviceClock:
        """Time each phase by the host's clock and by the device's own."""
        return self._typed(DeviceClock, self.ask("device_clock", deadline_s))

    def reduction(self, deadline_s: float) -> dict[str, float]:
        """Ask for what the framework tells of its reductions among replicas, in seconds by name."""
        return {str(name): float(seconds) for name, seconds in self.ask("reduction", deadline_s).items()}

    def in_place(self, deadline_s: float, passes: int) -> InPlace:
        """Ask for the time of each op within so many runs of the program, under the framework's profiler."""
        return self._typed(InPlace, self.ask("in_place", deadline_s, passes=passes))

    def own_in_place(self, deadline_s: float, passes: int) -> OwnInPlace:
        """Ask for the time of each op of a user's own model, as `in_place` does of one of the catalogue."""
        return self._typed(OwnInPlace, self.ask("own_in_place", deadline_s, passes=passes))

    def keep(self, deadline_s: float) -> int:
        """Keep the program when another one is loaded. Returns its number."""
        return int(self.ask("keep", deadline_s)["number"])

    def use(self, deadline_s: float, number: int) -> None:
        """Make a kept program the one that is warmed, measured and shown in place."""
        self.ask("use", deadline_s, number=number)

    def measure_in_turn(self, deadline_s: float, numbers: Sequence[int], cycles: int) -> list[dict[str, list[float]]]:
        """Time cycles of kept programs, each after the other. Returns the seconds of each program, by phase."""
        return list(self.ask("measure_in_turn", deadline_s, numbers=list(numbers), cycles=cycles)["seconds"])

    def close(self) -> None:
        """Kill the process, paused or not, and close its pipes."""
        self._signal(signal.SIGKILL)
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _typed(self, kind: Callable[..., T], answer: Mapping[str, Any]) -> T:
        """Build a dataclass from an answer. Raises Failure, and kills the worker, if the fields do not fit."""
        try:
            return kind(**answer)
        except TypeError as error:
            self.close()
            raise Failure(Outcome.ERROR, f"the worker's answer has other fields than it should ({error})") from error

    def _signal(self, number: signal.Signals) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)

    def _exchange(self, line: bytes, name: str, deadline_s: float) -> bytes:
        """Write a request's line and read the answer's. Raises Failure if there is none by the deadline."""
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
        """The log's path as a user would type it."""
        return os.path.relpath(self.log)

    def _died(self, name: str) -> Failure:
        """Describe the failure of a process that closed its pipes during a request."""
        try:
            code = self.process.wait(_DYING_S)
        except subprocess.TimeoutExpired:
            return Failure(Outcome.ERROR, f"the worker closed its pipe during {name!r}; see {self._log_name}")
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        if code == -signal.SIGKILL and kernel_kills() > self._kernel_kills:
            said = f"out of memory (the kernel killed the worker during {name!r}); see {self._log_name}"
            return Failure(Outcome.OOM, said)
        return Failure(Outcome.CRASHED, f"the worker {how} during {name!r}; see {self._log_name}")
