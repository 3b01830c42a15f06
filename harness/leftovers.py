"""What a killed sweep leaves behind: half-written records, and arrays in the folder for temporary files."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path


def temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder that is removed when its context ends, or else by the next sweep."""
    return tempfile.TemporaryDirectory(prefix="twofold-", suffix=f".{os.getpid()}")


def remove(records: Path) -> None:
    """Remove what bears the number of a process that runs no more."""
    for path in (*Path(tempfile.gettempdir()).glob("twofold-*.*"), *records.glob(".*.json.*")):
        owner = path.suffix[1:]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            shutil.rmtree(path, ignore_errors=True)
            with contextlib.suppress(OSError):
                path.unlink()
