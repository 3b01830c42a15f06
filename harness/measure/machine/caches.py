"""The sizes of a CPU's caches, as the system reports them. For the worker."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}


def last_level_bytes(cpus: Iterable[int], root: Path = Path("/")) -> int:
    """Return the bytes of all last-level caches of these CPUs together; 0 if not known. Tests set `root`.

    CPUs that share a cache count it once. On a virtual machine it is what its host says.
    """
    caches: dict[tuple[int, str], int] = {}
    for cpu in cpus:
        levels = {}
        for folder in (root / f"sys/devices/system/cpu/cpu{cpu}/cache").glob("index*"):
            try:
                level, kind, size, sharing = (
                    (folder / name).read_text().strip() for name in ("level", "type", "size", "shared_cpu_list")
                )
            except OSError:
                continue
            if kind != "Instruction" and size[-1:] in _UNITS:
                levels[int(level)] = (sharing, int(size[:-1]) * _UNITS[size[-1]])
        if levels:
            last = max(levels)
            caches[last, levels[last][0]] = levels[last][1]
    return sum(caches.values())
