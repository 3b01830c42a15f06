"""What machine this is, and what else it was doing."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

_TICKS = os.sysconf("SC_CLK_TCK")


def describe() -> dict[str, Any]:
    """What defines the machine for a comparison: processor, cores, memory, kernel, GPUs."""
    return {
        "cpu": _cpu_model(),
        "cpus": len(cpus()),
        "memory_gib": round(memory_bytes() / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "gpus": gpus(),
    }


def cpus() -> list[int]:
    """The CPUs that this process may use."""
    return sorted(os.sched_getaffinity(0))


def memory_bytes() -> int:
    """Physical memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def identity(machine: dict[str, Any]) -> str:
    """A short digest: the same for the same kind of machine."""
    return hashlib.sha256(json.dumps(machine, sort_keys=True).encode()).hexdigest()[:8]


def gpus() -> list[str]:
    """Names of the NVIDIA GPUs that the driver shows; none without a driver."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    asked = [tool, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    answered = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=False)
    return answered.stdout.strip().splitlines() if answered.returncode == 0 else []


def busy_s() -> float:
    """Processor seconds since boot in which a CPU was not idle, those taken by the host included; steps of 10 ms."""
    with open("/proc/stat") as file:  # noqa: PTH123 (read in the measuring loop)
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / _TICKS


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
