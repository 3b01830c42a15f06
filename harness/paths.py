"""Paths: the program's root, the compile cache, and temporary folders with their clean-up."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def cache_folder(results: Path) -> Path:
    """Return the folder in which frameworks cache compiled programs.

    torch.compile's C++ compiler fails on paths that contain spaces, so fall back to the temp directory for those.
    """
    folder = (results / "cache").resolve()
    return Path(tempfile.gettempdir()) / f"twofold-{os.getuid()}-cache" if " " in str(folder) else folder


def temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """Create a folder that is removed when its context ends, or by the next sweep if this process is killed."""
    return tempfile.TemporaryDirectory(prefix="twofold-", suffix=f".{os.getpid()}")


def draft(path: Path) -> Path:
    """Name the file that is written before it replaces `path`; no other process, on any machine, writes that one."""
    return path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}")


def remove_leftovers(results: Path, records: Path) -> None:
    """Delete temporary folders, half-written records and half-made databases whose process is no longer running.

    The records' folder may be shared: what processes on other machines are writing stays.
    """
    temporary = Path(tempfile.gettempdir()).glob("twofold-*.*")
    for path in (*temporary, *results.glob(".mlflow-*.*"), *records.glob(f".*.json.{platform.node()}.*")):
        owner = path.suffix[1:]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            shutil.rmtree(path, ignore_errors=True)
            with contextlib.suppress(OSError):
                path.unlink()
