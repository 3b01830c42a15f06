"""Lists NVIDIA GPUs and watches the one that is measured on, through the driver's library (NVML)."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from threading import Event, Thread
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
    """Reads the state of the GPU that is measured on, every half second until the context ends.

    Without a driver there are no readings.
    """

    def __enter__(self) -> GpuWatch:
        self._seen: dict[str, list[float]] = {}
        self._over = Event()
        self.thread = Thread(target=self._look, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._over.set()
        self.thread.join()

    def seen(self) -> dict[str, list[float]]:
        """Return all readings so far by name, in order. Quantities that the GPU does not report are absent."""
        return {name: list(values) for name, values in self._seen.items()}

    def _look(self) -> None:
        try:
            pynvml.nvmlInit()
            gpu = _visible_gpu()
        except pynvml.NVMLError:
            return
        while True:
            for name, read in _GAUGES.items():
                try:
                    self._seen.setdefault(name, []).append(float(read(gpu)))
                except pynvml.NVMLError:  # it does not report this
                    continue
            if self._over.wait(EVERY_S):
                return


def slowdowns(masks: list[float]) -> list[str]:
    """Name the reasons for which the GPU was slowed in any reading of NVML's throttle reasons."""
    return [reason for bit, reason in SLOWDOWNS.items() if any(int(mask) & bit for mask in masks)]


def _visible_gpu() -> Any:
    """Return the first GPU that is visible to CUDA in this process. Raises NVMLError if it does not exist."""
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0] or "0"
    if first.isdigit():
        return pynvml.nvmlDeviceGetHandleByIndex(int(first))
    return pynvml.nvmlDeviceGetHandleByUUID(first)
