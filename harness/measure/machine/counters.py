"""What the machine did meanwhile, as far as its kernel shows it: load, steal, clocks, temperature, throttling."""

from __future__ import annotations

import contextlib
import os
from functools import cache
from pathlib import Path

_GAUGES = ("load", "cpu_mhz", "cpu_celsius")  # read at the end of a visit, when the CPUs are still busy
_COUNTERS = ("steal_s", "throttles")  # by how much they rose in a visit

_TICKS = os.sysconf("SC_CLK_TCK")


def busy_s() -> float:
    """Processor seconds since boot in which a CPU was not idle, those taken by the host included; steps of 10 ms."""
    with open("/proc/stat") as file:  # noqa: PTH123 (read in the measuring loop)
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / _TICKS


def look(root: Path = Path("/")) -> dict[str, float]:
    """The state now; what this kernel does not show is absent. `root` is another file system in tests."""
    seen = {
        "load": float((root / "proc/loadavg").read_text().split()[0]),
        "steal_s": int((root / "proc/stat").read_text().split(maxsplit=9)[8]) / _TICKS,
    }
    khz, thermometers, throttles = (_numbers(paths) for paths in _paths(root))
    if clocks := [each / 1000 for each in khz] or _listed_mhz(root):
        seen["cpu_mhz"] = sum(clocks) / len(clocks)
    if thermometers:
        seen["cpu_celsius"] = max(thermometers) / 1000
    if throttles:
        seen["throttles"] = sum(throttles)
    return seen


def between(before: dict[str, float], after: dict[str, float]) -> dict[str, list[float]]:
    """One entry for each thing seen: gauges as they were at the end, counters by their increase."""
    gauges = {name: [after[name]] for name in _GAUGES if name in after}
    return gauges | {name: [after[name] - before[name]] for name in _COUNTERS if name in after and name in before}


@cache
def _paths(root: Path) -> tuple[list[Path], ...]:
    """Files with the clock of each CPU in kHz, temperatures in 1/1000 degree, and counts of throttling."""
    cpus = root / "sys/devices/system/cpu"
    return (
        sorted(cpus.glob("cpu[0-9]*/cpufreq/scaling_cur_freq")),
        sorted((root / "sys/class/thermal").glob("thermal_zone*/temp")),
        sorted(cpus.glob("cpu[0-9]*/thermal_throttle/*_throttle_count")),
    )


def _numbers(paths: list[Path]) -> list[int]:
    found = []
    for path in paths:
        with contextlib.suppress(OSError, ValueError):  # a sensor may refuse
            found.append(int(path.read_text()))
    return found


def _listed_mhz(root: Path) -> list[float]:
    """Clocks as virtual machines show them."""
    lines = (root / "proc/cpuinfo").read_text().splitlines()
    return [float(line.partition(":")[2]) for line in lines if line.startswith("cpu MHz")]
