"""Where files go: the program itself, compile caches, and temporary folders that outlive no process for long."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def cache_folder(results: Path) -> Path:
    """Where frameworks keep what they compiled.

    torch.compile's C++ compiler fails on paths that contain spaces, so those are replaced by the temp directory.
    """
    folder = (results / "cache").resolve()
    return Path(tempfile.gettempdir()) / f"twofold-{os.getuid()}-cache" if " " in str(folder) else folder


def temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder that is removed when its context ends, or by the next sweep if this process is killed."""
    return tempfile.TemporaryDirectory(prefix="twofold-", suffix=f".{os.getpid()}")


def remove_leftovers(results: Path, records: Path) -> None:
    """Delete temporary files, half-written records and half-made databases whose process is no longer running."""
    temporary = Path(tempfile.gettempdir()).glob("twofold-*.*")
    for path in (*temporary, *results.glob(".mlflow-*.*"), *records.glob(".*.json.*")):
        owner = path.suffix[1:]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            shutil.rmtree(path, ignore_errors=True)
            with contextlib.suppress(OSError):
                path.unlink()
