"""Finds a sweep's records by the name a user would give it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ..errors import UserError
from ..records.record import Record, read, records


def open_sweep(name: str, results: Path) -> list[Record]:
    """Read the records of a sweep.

    `name` is a folder, `study/sweep`, the name of a sweep that only one study has, or `mlflow:EXPERIMENT`. Raises
    UserError if no sweep or more than one has that name.
    """
    if name.startswith("mlflow:"):
        return _from_mlflow(name.removeprefix("mlflow:"), results)
    root = results / "records"
    candidates = [path for path in (Path(name), root / name, *root.glob(f"*/{name}")) if any(records(path))]
    unique = {path.resolve(): path for path in candidates}
    if not unique:
        known = sorted(str(path.relative_to(root)) for path in root.glob("*/*") if path.is_dir())
        raise UserError(f"{name}: no records there; there are {', '.join(known) or 'no sweeps yet'}")
    if len(unique) > 1:
        raise UserError(f"{name} could be {' or '.join(map(str, unique.values()))}; say which")
    return [read(path) for path in records(next(iter(unique.values())))]


def _from_mlflow(experiment: str, results: Path) -> list[Record]:
    """Records that were logged as artifacts, newest of each cell first; `experiment` may be `NAME@URI`."""
    from .mlflow import download_records, local_uri

    name, _, uri = experiment.partition("@")
    with tempfile.TemporaryDirectory(prefix="twofold-") as folder:
        try:
            paths = download_records(uri or local_uri(results), name, Path(folder))
        except Exception as error:  # MLflow raises what its database, its server and its files raise
            raise UserError(f"mlflow:{experiment}: cannot be read ({error})") from error
        if not paths:
            raise UserError(f"mlflow:{experiment}: no such experiment, or no records in it")
        return [read(path) for path in paths]
