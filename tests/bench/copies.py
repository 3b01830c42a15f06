"""Real records under other names, so that a benchmark has thousands."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from harness.paths import ROOT
from harness.records.record import Record, read, records


def measured(results: Path, *overrides: str) -> list[Record]:
    """Measure a workload as `make sweep` does, and return its records."""
    command = [sys.executable, "-m", "harness", "-m", *overrides, "device=cpu", "tracking=off", f"results='{results}'"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    (folder,) = results.glob("records/*/*")
    return [read(path) for path in records(folder)]


def copy(originals: Sequence[Record], widths: range, folder: Path) -> None:
    """Write all records of a workload once for each width, into the folder of a sweep."""
    for record in originals:
        start, variant = datetime.fromisoformat(record.created), record.cell.partition(".")[2]
        for width in widths:
            replace(
                record,
                id=f"{record.id[:16]}{width:016x}",
                created=(start + timedelta(seconds=width)).isoformat(timespec="milliseconds"),
                study=folder.parent.name,
                sweep=folder.name,
                cell=f"{record.model}-{width:08x}.{variant}",
                workload=record.workload | {"sizes": record.workload["sizes"] | {"width": width}},
            ).write(folder)
