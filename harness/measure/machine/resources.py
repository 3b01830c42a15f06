"""The CPUs and the memory that this process may use."""

from __future__ import annotations

import os

import psutil


def cpus() -> list[int]:
    """List the CPUs that this process may use."""
    return sorted(os.sched_getaffinity(0))


def memory_bytes() -> int:
    """Return the size of the machine's physical memory."""
    return int(psutil.virtual_memory().total)
