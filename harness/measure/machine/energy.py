"""Reads how much energy a device has used: a GPU by the driver's library (NVML), a CPU by its own counter (RAPL)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pynvml

from .gpu import visible_gpu


class NoCounter(Exception):
    """Raised where no counter can be read. The message is one sentence, without a full stop, that says why."""


@dataclass(frozen=True)
class Counter:
    """A counter of energy.

    Attributes:
        name: what it counts, and whose counter it is.
        read: reads the joules of each part of the device (each package of a CPU). Raises NoCounter.
        wraps_at: the joules at which each part starts again from zero.
    """

    name: str
    read: Callable[[], Sequence[float]]
    wraps_at: Sequence[float]

    def spent(self, before: Sequence[float], after: Sequence[float]) -> float:
        """Return the joules between two readings that are less than one turn of the counter apart."""
        return sum((b - a) % wrap for a, b, wrap in zip(before, after, self.wraps_at, strict=True))


def counter_of(device: str, root: Path = Path("/")) -> Counter:
    """Return the counter of the device that is measured on, `cpu` or `cuda`. Raises NoCounter. Tests set `root`."""
    return _of_gpu() if device == "cuda" else _of_cpu(root / "sys/class/powercap")


def _of_gpu() -> Counter:
    def read() -> list[float]:
        try:
            return [pynvml.nvmlDeviceGetTotalEnergyConsumption(visible_gpu()) / 1e3]
        except pynvml.NVMLError as error:
            raise NoCounter(f"the GPU's energy counter cannot be read ({error})") from error

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise NoCounter(f"no NVIDIA driver answers ({error})") from error
    return Counter("the whole GPU, by NVML", read, [math.inf])


def _of_cpu(folder: Path) -> Counter:
    packages = sorted(path for path in folder.glob("intel-rapl:*") if path.name.count(":") == 1)  # parts have two
    if not packages:
        raise NoCounter("this machine shows no energy counter of its CPU")

    def read(file: str) -> list[float]:
        try:
            return [int((package / file).read_text()) / 1e6 for package in packages]
        except (OSError, ValueError) as error:
            raise NoCounter(f"the CPU's energy counter cannot be read ({error})") from error

    return Counter("the whole CPU, by RAPL", lambda: read("energy_uj"), read("max_energy_range_uj"))
