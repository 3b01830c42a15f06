"""A framework that takes known times and misbehaves on request: execution `fault-N` does so in its N-th inference."""

from __future__ import annotations

import ctypes
import os
import random
import resource
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, Never

import numpy as np

from adapters.base import PHASES, Executed, Unsupported
from adapters.common.program import CoreRequest
from adapters.numpy import Program as Numpy
from harness.workload.cost import phase_work
from harness.workload.expected import Departures
from harness.workload.trace import Graph

# Seconds of each phase: backward takes 2.5 times forward; training adds 3 times inference.
SECONDS = {"inference": 0.003, "forward": 0.004, "backward": 0.010, "gradient": 0.012}
NOISE = 0.1  # standard deviation of the logarithm of each time of `noisy`
DEVICE_SHARE = 0.25  # of each phase's time, in which the device works, in two kernels that overlap
PEAKS = {"inference": 2**20, "forward": 3 * 2**20, "backward": 5 * 2**20, "gradient": 4 * 2**20}  # bytes, on a GPU
ANSWERS = 4  # the worker's second descriptor of its own: its answers' pipe to the parent

ctypes.CDLL(None).prctl(29, 1)  # PR_SET_TIMERSLACK: sleep exactly


def hangs() -> None:
    time.sleep(3600)


def exits() -> None:
    os._exit(7)


def leaves() -> None:
    sys.exit("a framework that gives up")


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def segfaults() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def rubbish() -> None:
    os.write(ANSWERS, b"\xff\x00 rubbish\n")


def endless() -> None:
    while True:
        os.write(ANSWERS, b"x" * 2**16)


def deaf() -> None:
    os.close(ANSWERS)
    time.sleep(3600)


def prints() -> None:
    print("noise on stdout", flush=True)
    os.write(1, b"and on its descriptor\n")


def memory() -> Never:
    raise MemoryError("Unable to allocate 8.00 TiB")


def hungry() -> None:
    """Takes more than its limit, which is what it has and 64 MiB."""
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + 2**26, resource.RLIM_INFINITY))
    np.ones(2**27)


def exhausted() -> Never:
    raise RuntimeError("RESOURCE_EXHAUSTED: Failed to allocate request for 8.00TiB\nand a page of advice")


def retraces() -> Never:
    raise RuntimeError("forward was traced a second time")


def undone() -> Never:
    raise Unsupported("this op has no gradient here")


def spins() -> None:
    def spin() -> None:
        while True:
            pass

    threading.Thread(target=spin, daemon=True).start()


def crowded() -> None:
    """Raises where another program is loaded on the same device, which is a folder with a file for each."""
    device = Path(os.environ["FAKE_DEVICE"])
    if any(Path(f"/proc/{file.name}").exists() for file in device.iterdir() if file.name != str(os.getpid())):
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")


class Array:
    """A result that is computed by the time `ready`."""

    def __init__(self, value: Any, ready: Any = 0.0) -> None:
        self.value = value
        self.ready = ready

    def __float__(self) -> float:
        return float(self.value)


def call_name(call: Any) -> Any:
    """The phase that a bound method, or a partial of one, runs."""
    return getattr(call, "func", call).__name__


class Adapter:
    executions = ()
    peak_source = "the fake's allocator"
    counts_all_memory = True

    def __init__(self, device: str, threads: Any, precision: str) -> None:
        self.device = device

    def describe(self) -> Any:
        return {"fake": "1.0"}

    def load(
        self, graph: Graph, arrays: dict[str, np.ndarray], execution: str, choices: Any = None, directions: Any = None
    ) -> Any:
        if execution == "unsupported":
            raise Unsupported("the fake framework cannot do this")
        return Program(graph, arrays, execution)

    def refusal(self, error: Any) -> None:
        return None

    def departures(self, execution: str, choices: Any) -> Any:
        return Departures()

    def wait(self, value: Any) -> None:
        if isinstance(value, Array):
            time.sleep(max(0.0, value.ready - time.perf_counter()))
        elif isinstance(value, dict):
            self.wait(list(value.values()))
        elif isinstance(value, (list, tuple)):
            for part in value:
                self.wait(part)

    def peak_bytes(self, call: Any) -> Any:
        if os.environ.get("FAKE_ALLOCATOR") == "broken":
            raise RuntimeError("no statistics\nand a page of advice")
        result = call()
        return result, None if self.device == "cpu" else PEAKS.get(call_name(call), 0)

    def overwriting(self, size: int) -> Any:
        def overwrite() -> None:
            Program.is_cold = True

        return overwrite

    def device_seconds(self, call: Any) -> Any:
        start = time.perf_counter()
        result = call()
        self.wait(result)
        return result, 0.9 * (time.perf_counter() - start)


class Program:
    """The right answers, computed once; each phase only takes its time."""

    phases = PHASES
    repeatable = True
    is_cold = False  # the caches are, of `cached`: its next phase takes three times as long

    def __init__(self, graph: Graph, arrays: dict[str, np.ndarray], execution: str) -> None:
        numpy = Numpy(CoreRequest(graph, {name: np.array(array) for name, array in arrays.items()}))
        self.loss, self.gradients = numpy.gradient()
        self.work = phase_work(graph)
        self.execution, _, at = execution.partition("-")
        self.fault_at = int(at or 0)
        self.calls = 0
        self.random = random.Random(execution)
        self.held = np.ones(200 * 2**20 if self.execution == "holds" else 0, np.uint8)
        if device := os.environ.get("FAKE_DEVICE"):
            (Path(device) / str(os.getpid())).touch()
        if self.execution == "nan":
            self.gradients["w1"][0, 0] = np.nan
        elif self.execution == "off":
            self.gradients["w1"][...] *= 1.01

    def take(self, phase: str, value: Any) -> Any:
        """The value, after the time of the phase, or at once but ready only then."""
        seconds = SECONDS[phase] * (3 if self.execution == "cached" and Program.is_cold else 1)
        Program.is_cold = False
        if "cupti.cupti" in sys.modules:
            self.work_on_device(sys.modules["cupti.cupti"], seconds)
        seconds *= self.random.lognormvariate(0, NOISE) if self.execution == "noisy" else 1
        if self.execution == "deferred":
            return Array(value, time.perf_counter() + seconds)
        time.sleep(seconds)
        return Array(value)

    def work_on_device(self, cupti: Any, seconds: float) -> None:
        kinds, start = cupti.ActivityKind, time.perf_counter()
        busy, zeroed = DEVICE_SHARE * seconds, 1e-4
        cupti.run(kinds.MEMSET, start, start + zeroed)
        cupti.run(kinds.CONCURRENT_KERNEL, start + 2 * zeroed, start + zeroed + busy / 2)
        cupti.run(kinds.CONCURRENT_KERNEL, start + 4 * zeroed, start + zeroed + busy)
        cupti.run(kinds.CONCURRENT_KERNEL, 0, 0)  # cut off

    def inference(self) -> Any:
        self.calls += 1
        if self.calls == self.fault_at:
            globals()[self.execution]()
        return self.take("inference", self.loss)

    def forward(self) -> Any:
        return self.take("forward", self.loss), "what backward needs"

    def backward(self, kept: Any) -> Any:
        return {name: self.take("backward", g) if i == 0 else Array(g) for i, (name, g) in enumerate(self.pairs())}

    def gradient(self) -> Any:
        loss = self.take("gradient", self.loss)
        return loss, {name: Array(g, loss.ready) for name, g in self.pairs()}

    def pairs(self) -> Any:
        return self.gradients.items()

    def parameters(self) -> Any:
        return {}

    def export(self, gradients: Any) -> Any:
        return {name: np.array(array.value) for name, array in gradients.items()}

    def residual_bytes(self, kept: Any) -> int:
        return 2**20

    def executed(self) -> Any:
        found = {phase: Executed(self.work[phase].matmuls, self.work[phase].flops) for phase in PHASES}
        if self.execution == "shirks":
            found["backward"] = Executed(found["backward"].matmuls - 1, found["backward"].flops)
        return found
