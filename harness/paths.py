"""What a killed sweep leaves behind: half-written records, half a database, and arrays among temporary files."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path


def temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder that is removed when its context ends, or else by the next sweep."""
    return tempfile.TemporaryDirectory(prefix="twofold-", suffix=f".{os.getpid()}")


def remove(results: Path, records: Path) -> None:
    """Remove what bears the number of a process that runs no more."""
    temporary = Path(tempfile.gettempdir()).glob("twofold-*.*")
    for path in (*temporary, *results.glob(".mlflow-*.*"), *records.glob(".*.json.*")):
        owner = path.suffix[1:]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            shutil.rmtree(path, ignore_errors=True)
            with contextlib.suppress(OSError):
                path.unlink()
