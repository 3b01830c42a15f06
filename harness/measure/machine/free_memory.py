"""How much memory is left for one more process, and whether the kernel ended one for want of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pynvml

from .gpu import visible_gpu


def memory_left(device: str, root: Path = Path("/")) -> int | None:
    """Return the bytes that nobody holds: of the GPU's memory, or of this machine's. Tests set `root`.

    None if the GPU's driver does not say. What this process may use of the machine may be less than what is left of it:
    the limits of its cgroups, which containers and clusters set, count too.
    """
    if device == "cuda":
        try:
            pynvml.nvmlInit()
            return int(pynvml.nvmlDeviceGetMemoryInfo(visible_gpu()).free)
        except pynvml.NVMLError:
            return None
    return min([int(psutil.virtual_memory().available), *_left_in_cgroups(root)])


def _left_in_cgroups(root: Path) -> Iterator[int]:
    """Yield what is left in this process's cgroup (version 2), and in each around it, that has a limit."""
    top = root / "sys/fs/cgroup"
    try:
        own = (root / "proc/self/cgroup").read_text().rpartition("0::/")[2].strip()
    except OSError:
        return
    for folder in (top / own, *(top / own).parents):
        if folder == top.parent:
            return
        try:
            limit, used = ((folder / f"memory.{name}").read_text().strip() for name in ("max", "current"))
            files = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        except OSError:  # no limits here, as in the root of all
            continue
        if limit != "max":  # of what is used, the kernel gives up copies of files first
            yield int(limit) - int(used) + int(files.get("inactive_file", 0))


def held_bytes(process: int) -> tuple[int, int]:
    """Return the bytes of this machine's memory that a process holds, now and at most so far, its children included.

    Both are 0 for a process that is gone.
    """
    now = most = 0
    try:
        family = [process, *(child.pid for child in psutil.Process(process).children(recursive=True))]
    except psutil.NoSuchProcess:
        return 0, 0
    for member in family:
        try:
            lines = Path(f"/proc/{member}/status").read_text().splitlines()
        except OSError:  # it has ended meanwhile
            continue
        sizes = dict(line.split(":", 1) for line in lines)  # such as "VmRSS:     123 kB"; a zombie has none
        now += 1024 * int(sizes.get("VmRSS", "0").split()[0])
        most += 1024 * int(sizes.get("VmHWM", "0").split()[0])
    return now, most


def kernel_kills() -> int:
    """Count the processes on this machine that the kernel has ended, since it started, for want of memory."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
