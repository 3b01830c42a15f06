"""What defines this machine for a comparison, and a short digest of that."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from typing import Any

from adapters.common import cpu

from .gpu import gpus
from .resources import cpus, memory_bytes

# Vector instruction sets of x86 and of ARM, as the names in Linux's list begin.
_VECTOR = ("sse4", "avx", "fma", "f16c", "amx", "asimd", "sve", "sme", "bf16", "i8mm")


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


def identity(machine: dict[str, Any]) -> str:
    """A short digest: the same for the same kind of machine."""
    return hashlib.sha256(json.dumps(machine, sort_keys=True).encode()).hexdigest()[:8]


def _processor(known: Mapping[str, str]) -> str:
    """Maker, family and model, by number; not the stepping, which changes no kernel by itself."""
    maker = known.get("vendor_id") or known.get("CPU implementer", "of unknown make")
    numbers = known.get("cpu family", "-"), known.get("model") or known.get("CPU part", "-")
    return f"{maker}, family {numbers[0]}, model {numbers[1]}"
