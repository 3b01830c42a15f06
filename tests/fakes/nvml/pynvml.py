"""Stands in for NVIDIA's library on a machine without a driver: one GPU, or none, as `FAKE_NVML` says.

`FAKE_NVML` is a JSON list: what is seen in each look, [MHz, degrees, mask of slowdowns, milliwatts]. What is null or
left out is not shown.
"""

from __future__ import annotations

import json
import os
from types import SimpleNamespace
from typing import Any

NVML_CLOCK_SM, NVML_TEMPERATURE_GPU = 1, 0

_looks = 0
energy_mj: list[int] = []  # what the counter of energy shows in each reading
free: list[int] = []  # bytes of memory that are free in each reading
asked: list[int | str] = []  # by which index or UUID a GPU was asked for


class NVMLError(Exception):
    pass


def nvmlInit() -> None:
    if "FAKE_NVML" not in os.environ:
        raise NVMLError("no driver")


def nvmlSystemGetDriverVersion() -> str:
    return "600.00"


def nvmlDeviceGetCount() -> int:
    return 1


def nvmlDeviceGetName(handle: Any) -> str:
    return "Fake GPU"


def nvmlDeviceGetHandleByIndex(index: Any) -> Any:
    asked.append(index)
    return index


def nvmlDeviceGetHandleByUUID(uuid: Any) -> Any:
    asked.append(uuid)
    return uuid


def _look(position: Any) -> Any:
    looks = json.loads(os.environ["FAKE_NVML"])
    if _looks >= len(looks) or position >= len(looks[_looks]) or looks[_looks][position] is None:
        raise NVMLError("not shown")
    return looks[_looks][position]


def nvmlDeviceGetClockInfo(handle: Any, kind: Any) -> Any:
    return _look(0)


def nvmlDeviceGetTemperature(handle: Any, kind: Any) -> Any:
    return _look(1)


def nvmlDeviceGetTotalEnergyConsumption(handle: Any) -> Any:
    if not energy_mj:
        raise NVMLError("not shown")
    return energy_mj.pop(0)


def nvmlDeviceGetMemoryInfo(handle: Any) -> Any:
    if not free:
        raise NVMLError("not shown")
    return SimpleNamespace(free=free.pop(0))


def nvmlDeviceGetPowerUsage(handle: Any) -> Any:
    return _look(3)


def nvmlDeviceGetCurrentClocksThrottleReasons(handle: Any) -> Any:
    global _looks
    try:
        return _look(2)
    finally:
        _looks += 1
