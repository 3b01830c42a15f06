"""What this process may use of the machine."""

from __future__ import annotations

import os

import psutil


def cpus() -> list[int]:
    """The CPUs that this process may use."""
    return sorted(os.sched_getaffinity(0))


def memory_bytes() -> int:
    """Physical memory."""
    return int(psutil.virtual_memory().total)
