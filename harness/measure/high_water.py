"""The most memory that a call needs on a CPU, by the process's high-water mark: for whatever keeps no count of its own.

glibc is told to return freed memory to the system first, which makes calls slower: nothing is timed afterwards.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

# glibc's parameters of malloc, from malloc.h, and a value for each: what is larger than 64 KiB is mapped, and unmapped.
_RETURN_FREED = {-1: 0, -2: 0, -3: 64 * 1024, -4: 65536}  # M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD, M_MMAP_MAX
_RESET_PEAK = "5"  # as proc(5) has it for clear_refs


class HighWater:
    """Measures calls against what this process holds when it is made: parameters and inputs, and nothing of a pass.

    Raises OSError where Linux does not let a process reset its mark.
    """

    def __init__(self) -> None:
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):  # not in musl, which always returns what is freed
            for parameter, value in _RETURN_FREED.items():
                libc.mallopt(parameter, value)
            libc.malloc_trim(0)
        self._at_rest = _resident_bytes("VmRSS")

    def of(self, call: Callable[[], T]) -> tuple[T, int]:
        """Call, and return (its result, the most bytes that were in use meanwhile beyond those at rest)."""
        Path("/proc/self/clear_refs").write_text(_RESET_PEAK)
        result = call()
        return result, max(0, _resident_bytes("VmHWM") - self._at_rest)


def _resident_bytes(name: str) -> int:
    """Read a line of /proc/self/status, which is in units of 1024 bytes."""
    line = re.search(rf"^{name}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    if line is None:
        raise OSError(f"/proc/self/status has no {name}")
    return 1024 * int(line[1])
