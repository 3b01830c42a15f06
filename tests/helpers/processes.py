"""What tests ask of real processes."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path


def state(pid: int) -> str:
    """R running, S sleeping, T stopped, Z ended but not collected; empty if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def gone(pid: int) -> bool:
    """Whether a process has ended, collected by its parent or not."""
    return state(pid) in ("", "Z", "X")


def cpu_s(pid: int) -> float:
    """Processor seconds used so far, all threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children(pid: int, marked: str = "harness.measure.child") -> list[int]:
    """Child processes whose command line holds a word."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended since it was listed
            found += [int(child) for child in (task / "children").read_text().split() if _is_marked(child, marked)]
    return found


def _is_marked(pid: str, marked: str) -> bool:
    """Whether a process is there whose command line holds a word."""
    try:
        return marked in Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def eventually(holds: Callable[[], object], within_s: float = 60) -> None:
    """Wait until something holds."""
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, f"not so within {within_s} s"
        time.sleep(0.02)
