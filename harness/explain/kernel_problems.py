"""The likely kernel problems that explanations named, to be told again below a table of their records."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from ..records.record import EXPLAINED, Record
from ..views.table import Table


def problems(folder: Path, records: Sequence[Record]) -> list[str]:
    """The likely kernel problems of the records in a folder that were explained, in a sentence each."""
    if not any(folder.glob(f"*{EXPLAINED}")):
        return []
    table = Table.of(records)
    return [
        f"{name}: {text}"
        for name, record in zip(table.names, table.records, strict=True)
        for text in _flags(folder / f"{record.cell}{EXPLAINED}")
    ]


def _flags(path: Path) -> list[str]:
    """What an explanation found, if there is a readable one."""
    try:
        return [str(text) for text in json.loads(path.read_text())["flags"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []
