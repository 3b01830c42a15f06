"""The machine's state during a measurement, as its kernel reports it: load, steal, clocks, temperature, throttling."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path

_GAUGES = ("load", "cpu_mhz", "cpu_celsius")  # read at the end of a visit, when the CPUs are still busy
_COUNTERS = ("steal_s", "throttles")  # by their increase during a visit

_TICKS = os.sysconf("SC_CLK_TCK")


def busy_s() -> float:
    """Read the processor seconds since boot that were not idle, time stolen by the host included. Resolution: 10 ms."""
    with open("/proc/stat") as file:  # noqa: PTH123 (read in the measuring loop)
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / _TICKS


def spent_s(processes: Iterable[int]) -> float:
    """Read the processor seconds that other processes have spent, by their ids, with all of their threads."""
    of_process, all_time = 3, 2  # how Linux writes the clock of a process's processor time
    return sum(time.clock_gettime((~process << of_process) | all_time) for process in processes)


def look(root: Path = Path("/")) -> dict[str, float]:
    """Read the machine's state now; quantities that its kernel does not report are absent. Tests set `root`."""
    state = {
        "load": float((root / "proc/loadavg").read_text().split()[0]),
        "steal_s": int((root / "proc/stat").read_text().split(maxsplit=9)[8]) / _TICKS,
    }
    khz, thermometers, throttles = (_numbers(paths) for paths in _paths(root))
    if clocks := [clock / 1000 for clock in khz] or _listed_mhz(root):
        state["cpu_mhz"] = sum(clocks) / len(clocks)
    if thermometers:
        state["cpu_celsius"] = max(thermometers) / 1000
    if throttles:
        state["throttles"] = sum(throttles)
    return state


def between(before: dict[str, float], after: dict[str, float]) -> dict[str, list[float]]:
    """Combine two states by `look` into one entry each: gauges by their value after, counters by their increase."""
    gauges = {name: [after[name]] for name in _GAUGES if name in after}
    return gauges | {name: [after[name] - before[name]] for name in _COUNTERS if name in after and name in before}


@cache
def _paths(root: Path) -> tuple[list[Path], ...]:
    """List the files with the clock of each CPU (kHz), temperatures (1/1000 °C), and counts of throttling."""
    cpus = root / "sys/devices/system/cpu"
    return (
        sorted(cpus.glob("cpu[0-9]*/cpufreq/scaling_cur_freq")),
        sorted((root / "sys/class/thermal").glob("thermal_zone*/temp")),
        sorted(cpus.glob("cpu[0-9]*/thermal_throttle/*_throttle_count")),
    )


def _numbers(paths: list[Path]) -> list[int]:
    """Read one number from each file; files that cannot be read are left out."""
    numbers = []
    for path in paths:
        with contextlib.suppress(OSError, ValueError):  # a sensor may refuse
            numbers.append(int(path.read_text()))
    return numbers


def _listed_mhz(root: Path) -> list[float]:
    """Read the clock of each CPU (MHz) from /proc/cpuinfo, the only place where virtual machines report it."""
    lines = (root / "proc/cpuinfo").read_text().splitlines()
    return [float(line.partition(":")[2]) for line in lines if line.startswith("cpu MHz")]
