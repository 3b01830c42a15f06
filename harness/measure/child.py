"""The worker process: runs one variant of one workload, and answers each request of its parent (`protocol.py`).

It imports only the standard library, NumPy and its own framework, and dies with its parent. It talks only over the
anonymous pipe inherited from its parent, and exits if its parent is not the PID it was given.
"""

from __future__ import annotations

import contextlib
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
from time import perf_counter
from typing import TYPE_CHECKING, Any, BinaryIO

from .protocol import Failure, Loaded, Outcome, WarmUp, encode

if TYPE_CHECKING:
    from .cold import Cold

REQUESTS = (
    *("open", "reference", "load", "verify", "count", "peak_memory", "loop", "device_clock", "cold", "warm", "measure"),
    *("reduction", "in_place", "own_in_place", "keep", "use", "measure_in_turn"),
)


class Session:
    """The worker's state between requests, with one method for each of `REQUESTS`.

    Each method's arguments and answer are described in `protocol.py`. `open` imports the framework, not `__init__`:
    by then the parent has set the CPUs that this process may use.
    """

    def open(self, framework: str, device: str, threads: int, precision: str) -> dict[str, Any]:
        from adapters.base import Unsupported

        self.framework, self.device = framework, device
        self.cold_caches: Cold | None = None
        self.kept: list[Any] = []
        try:
            module = importlib.import_module(f"adapters.{framework}")
            self.adapter = module.Adapter(device, threads, precision)
        except Unsupported as error:
            raise Failure(Outcome.UNSUPPORTED, str(error)) from error
        except ModuleNotFoundError as error:
            reason = f"{framework} is not installed for {sys.executable} (no module {error.name!r})"
            raise Failure(Outcome.UNSUPPORTED, reason) from error
        return {}

    def reference(self, folder: str, draw: bool) -> dict[str, Any]:
        from adapters.base import Unsupported

        from .subject import subject_of

        try:
            subject_of(Path(folder), self.framework).write_reference(self.adapter, draw)
        except Unsupported as error:
            raise Failure(Outcome.UNSUPPORTED, str(error)) from error
        return {}

    def load(
        self, folder: str, execution: str, choices: dict[str, Any] | None = None, phases: list[str] | None = None
    ) -> dict[str, Any]:
        from adapters.base import Unsupported
        from adapters.choices import Choices

        from .clock import first_calls
        from .subject import subject_of

        self.subject = subject_of(Path(folder), self.framework)
        self.choices = Choices(**(choices or {}))
        self.execution = execution
        try:
            self.program = self.subject.load(self.adapter, execution, self.choices)
            if phases:
                self.program.restrict(phases)
            first_call_s = first_calls(self.adapter, self.program)
            if phases and not self.program.repeatable:
                first_calls(self.adapter, self.program)  # second calls record; where all is verified, they come there
        except Exception as error:
            refusal = error if isinstance(error, Unsupported) else self.adapter.refusal(error)
            if refusal is None:
                raise
            raise Failure(Outcome.UNSUPPORTED, str(refusal)) from error
        cpus = ",".join(map(str, sorted(os.sched_getaffinity(0))))
        return asdict(Loaded(first_call_s, self.adapter.describe() | {"cpus": cpus}, self.subject.source))

    def verify(self) -> dict[str, Any]:
        return asdict(self.subject.verify(self.program, self.choices))

    def count(self) -> dict[str, Any]:
        phases = self.subject.count(self.adapter, self.program, self.execution, self.choices)
        return {phase: asdict(count) for phase, count in phases.items()}

    def peak_memory(self) -> dict[str, Any]:
        from .memory import peak_memory

        if self.cold_caches:
            self.cold_caches.release()  # it is none of the program's memory
        return asdict(peak_memory(self.adapter, self.program))

    def loop(self, chain: list[str], least_s: float) -> dict[str, Any]:
        from .clock import loop

        return {"calls": loop(self.adapter, self.program, chain, least_s)}

    def device_clock(self) -> dict[str, Any]:
        from .device_clock import device_clock

        return asdict(device_clock(self.adapter, self.program, self._before_call))

    def cold(self) -> dict[str, Any]:
        from adapters.replicated import Replicated

        from .cold import Cold

        if isinstance(self.program, Replicated):
            why = "the caches of several replicas cannot be emptied at once; choose measure.cache=warm"
            raise Failure(Outcome.UNSUPPORTED, why)
        self.cold_caches = Cold(self.adapter, self.device)
        self.cold_caches()
        return {"said": self.cold_caches.said}

    @property
    def _before_call(self) -> Callable[[], None]:
        from .clock import nothing

        return self.cold_caches or nothing

    def warm(self, limit_s: float) -> dict[str, Any]:
        from .clock import repeats, warm_up

        seconds, cycles = warm_up(self.adapter, self.program, limit_s, self._before_call)
        if self.cold_caches is None:
            return asdict(WarmUp(seconds, cycles, repeats(seconds) if self.program.repeatable else 1))
        self.cold_caches.check(seconds)
        start = perf_counter()
        self.cold_caches()
        return asdict(WarmUp(seconds, cycles, 1, (perf_counter() - start) * len(seconds)))

    def measure(self, cycles: int, repeat: int, stretch: float = 0.0) -> dict[str, Any]:
        from .clock import measure

        return measure(self.adapter, self.program, cycles, repeat, stretch, self._before_call).as_dict()

    def keep(self) -> dict[str, Any]:
        self.kept.append(self.program)
        return {"number": len(self.kept) - 1}

    def use(self, number: int) -> dict[str, Any]:
        self.program = self.kept[number]
        return {}

    def measure_in_turn(self, numbers: list[int], cycles: int) -> dict[str, Any]:
        from .in_turn import measure_in_turn

        return {"seconds": measure_in_turn(self.adapter, [self.kept[number] for number in numbers], cycles)}

    def reduction(self) -> dict[str, Any]:
        from adapters.replicated import Replicated

        return self.program.reduction() if isinstance(self.program, Replicated) else {}

    def in_place(self, passes: int) -> dict[str, Any]:
        from .in_place import in_place

        return asdict(in_place(self.program, self.framework, self.execution, passes))

    def own_in_place(self, passes: int) -> dict[str, Any]:
        from .own_in_place import own_in_place

        return asdict(own_in_place(self.program, self.framework, self.execution, passes))


def serve(session: Any, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer each request in turn, until the parent closes the pipe.

    Args:
        session: has a method for each of `REQUESTS`.
        requests: one JSON object a line.
        answers: one JSON object a line is written here for each request; errors are answers too.
    """
    for line in requests:
        message = json.loads(line)
        name = message.pop("ask")
        assert name in REQUESTS, name
        method: Callable[..., dict[str, Any]] = getattr(session, name)
        try:
            answer: dict[str, Any] = {"answer": method(**message)}
        except Exception as error:
            answer = _failed(error)
        try:
            encoded = encode(answer)
        except ValueError as error:  # NaN or infinity where a time or an error should be
            encoded = encode(_failed(error))
        answers.write(encoded)
        answers.flush()


def _failed(error: Exception) -> dict[str, Any]:
    """Build the answer that reports an exception as a failed outcome."""
    from adapters.base import is_out_of_memory  # NumPy is not imported before `open`

    details = traceback.format_exc()
    if isinstance(error, Failure):
        return {"failed": error.outcome, "reason": error.reason, "details": details}
    message = f"{type(error).__name__}: {error}".strip()
    first_line = message.splitlines()[0][:300]
    if is_out_of_memory(error):
        return {"failed": Outcome.OOM, "reason": f"out of memory ({first_line})", "details": details}
    return {"failed": Outcome.ERROR, "reason": first_line, "details": details}


def _end_with_parent(parent: int) -> None:
    """Ask Linux to kill this process when its parent dies, even while it is stopped."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != parent:  # the parent died before the call above
        sys.exit(1)


def main() -> None:
    """Serve the parent until it closes the pipe.

    Requests come by a private copy of stdin, and answers go to one of stdout: what a framework, or a user's own model,
    prints goes to the log on stderr instead, and what it reads is empty.
    """
    _end_with_parent(int(sys.argv[1]))
    with contextlib.suppress(OSError):  # if memory runs out, the kernel is to end this process, and not the parent
        Path("/proc/self/oom_score_adj").write_text("1000")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    serve(Session(), requests, answers)


if __name__ == "__main__":
    main()
