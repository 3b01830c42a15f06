"""Lists NVIDIA GPUs and watches the one that is measured on, through the driver's library (NVML)."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from functools import cache
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any

import pynvml

EVERY_S = 0.5

# Bits of NVML's throttle reasons. Those left out (idle, a set clock, the power limit) are normal operation.
SLOWDOWNS = {
    0x08: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "thermal slowdown",
    0x80: "power brake",
}

_GAUGES: dict[str, Callable[[Any], float]] = {
    "gpu_mhz": lambda gpu: pynvml.nvmlDeviceGetClockInfo(gpu, pynvml.NVML_CLOCK_SM),
    "gpu_celsius": lambda gpu: pynvml.nvmlDeviceGetTemperature(gpu, pynvml.NVML_TEMPERATURE_GPU),
    "gpu_watts": lambda gpu: pynvml.nvmlDeviceGetPowerUsage(gpu) / 1000,
    "gpu_slowed": lambda gpu: pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(gpu),
}


@cache
def gpus() -> list[str]:
    """Name the NVIDIA GPUs, each with the driver's version. The list is empty without a driver."""
    try:
        pynvml.nvmlInit()
        driver = pynvml.nvmlSystemGetDriverVersion()
        handles = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
        return [f"{pynvml.nvmlDeviceGetName(handle)}, {driver}" for handle in handles]
    except pynvml.NVMLError:
        return []


class GpuWatch:
    """Reads the state of the GPU that is measured on, every half second until the context ends, and when asked.

    Without a driver there are no readings.
    """

    def __enter__(self) -> GpuWatch:
        self._readings: list[tuple[float, str, float]] = []  # when, what, and its value
        self._lock = Lock()
        self._over = Event()
        try:
            pynvml.nvmlInit()
            self._gpu = visible_gpu()
        except pynvml.NVMLError:
            self._gpu = None
        self.thread = Thread(target=self._keep_looking, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._over.set()
        self.thread.join()

    def since(self, start: float) -> dict[str, list[float]]:
        """Return the readings since `start`, a time of the monotonic clock, and one of now: by name, in order.

        Quantities that the GPU does not report are absent.
        """
        self._look()
        readings: dict[str, list[float]] = {}
        with self._lock:
            for moment, name, value in self._readings:
                if moment >= start:
                    readings.setdefault(name, []).append(value)
        return readings

    def _look(self) -> None:
        if self._gpu is None:
            return
        with self._lock:
            moment = time.monotonic()
            for name, read in _GAUGES.items():
                with contextlib.suppress(pynvml.NVMLError):  # it does not report this
                    self._readings.append((moment, name, float(read(self._gpu))))

    def _keep_looking(self) -> None:
        while True:
            self._look()
            if self._over.wait(EVERY_S):
                return


def slowdowns(masks: list[float]) -> list[str]:
    """Name the reasons for which the GPU was slowed in any reading of NVML's throttle reasons."""
    return [reason for bit, reason in SLOWDOWNS.items() if any(int(mask) & bit for mask in masks)]


def visible_gpu() -> Any:
    """Return the first GPU that is visible to CUDA in this process. Raises NVMLError if it does not exist."""
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0] or "0"
    if first.isdigit():
        return pynvml.nvmlDeviceGetHandleByIndex(int(first))
    return pynvml.nvmlDeviceGetHandleByUUID(first)
