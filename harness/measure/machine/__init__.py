"""What machine this is, and what else it was doing."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

from adapters.common import cpu

# Of x86 and of ARM, as Linux begins their names.
_VECTOR = ("sse4", "avx", "fma", "f16c", "amx", "asimd", "sve", "sme", "bf16", "i8mm")
_TICKS = os.sysconf("SC_CLK_TCK")


def describe() -> dict[str, Any]:
    """What defines the machine for a comparison: processor, its vector instructions, cores, memory, kernel, GPUs.

    Libraries choose their kernels by what the processor is, and can; its name alone may be "AMD EPYC".
    """
    known = cpu.described()
    return {
        "cpu": known.get("model name") or platform.processor() or platform.machine(),
        "processor": _processor(known),
        "instructions": " ".join(sorted(name for name in cpu.instructions() if name.startswith(_VECTOR))),
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


def _processor(known: Mapping[str, str]) -> str:
    """Maker, family and model, by number; not the stepping, which changes no kernel by itself."""
    maker = known.get("vendor_id") or known.get("CPU implementer", "of unknown make")
    numbers = known.get("cpu family", "-"), known.get("model") or known.get("CPU part", "-")
    return f"{maker}, family {numbers[0]}, model {numbers[1]}"
