"""Describes this machine, so that times are compared only between machines of the same kind."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from typing import Any

from adapters.common import cpu

from .gpu import gpus
from .resources import cpus, memory_bytes

# Prefixes of the names by which Linux lists vector instruction sets of x86 and ARM.
_VECTOR = ("sse4", "avx", "fma", "f16c", "amx", "asimd", "sve", "sme", "bf16", "i8mm")


def describe() -> dict[str, Any]:
    """Describe this machine: processor, its vector instructions, cores, memory, kernel, GPUs.

    Libraries choose their kernels by the processor's model and instruction sets; its name alone may be "AMD EPYC".
    """
    cpuinfo = cpu.described()
    return {
        "cpu": cpuinfo.get("model name") or platform.processor() or platform.machine(),
        "processor": _processor(cpuinfo),
        "instructions": " ".join(sorted(name for name in cpu.instructions() if name.startswith(_VECTOR))),
        "cpus": len(cpus()),
        "memory_gib": round(memory_bytes() / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "gpus": gpus(),
    }


def identity(machine: dict[str, Any]) -> str:
    """Digest a description: the same eight digits for the same kind of machine."""
    return hashlib.sha256(json.dumps(machine, sort_keys=True).encode()).hexdigest()[:8]


def _processor(cpuinfo: Mapping[str, str]) -> str:
    """Name the processor's vendor, family and model number; not its stepping, which by itself changes no kernel."""
    vendor = cpuinfo.get("vendor_id") or cpuinfo.get("CPU implementer", "of unknown make")
    family, model = cpuinfo.get("cpu family", "-"), cpuinfo.get("model") or cpuinfo.get("CPU part", "-")
    return f"{vendor}, family {family}, model {model}"
