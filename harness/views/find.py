"""Finds a sweep's records by the name a user would give it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import UserError, first_line, masked
from ..job import in_environment
from ..records.record import Record, read, records


def open_sweep(name: str, results: Path) -> list[Record]:
    """Read the records of a sweep.

    `name` is one that `sweep_folder` takes, or `mlflow:EXPERIMENT`. Raises UserError as `sweep_folder` does.
    """
    if name.startswith("mlflow:"):
        return _from_mlflow(name.removeprefix("mlflow:"), results)
    return [read(path) for path in records(sweep_folder(name, results))]


def open_side(name: str, results: Path) -> list[Record]:
    """Read the records of one side of a comparison.

    `name` is one that `open_sweep` takes, or `sweep@environment`: the records of one environment, which then are named
    as if they had been measured without, so that they match those of another. Raises UserError as `sweep_folder` does,
    or if there is no such environment.
    """
    sweep, separator, environment = name.rpartition("@")
    if not separator or name.startswith("mlflow:") or Path(name).exists():
        return open_sweep(name, results)
    measured = open_sweep(sweep, results)
    of_environment = [
        replace(record, cell=record.cell.removesuffix(in_environment(environment)), environment_name="")
        for record in measured
        if record.environment_name == environment
    ]
    if not of_environment:
        names = sorted({record.environment_name for record in measured} - {""})
        raise UserError(f"{name}: no environment {environment} in {sweep}; there are {', '.join(names) or 'none'}")
    return of_environment


def sweep_folder(name: str, results: Path) -> Path:
    """Find the folder of a sweep.

    `name` is the folder, `study/sweep`, or the name of a sweep that only one study has. Raises UserError if no sweep or
    more than one has that name.
    """
    root = results / "records"
    candidates = [path for path in (Path(name), root / name, *root.glob(f"*/{name}")) if any(records(path))]
    unique = {path.resolve(): path for path in candidates}
    if not unique:
        names = sorted(str(path.relative_to(root)) for path in sweep_folders(results))
        raise UserError(f"{name}: no records there; there are {', '.join(names) or 'no sweeps yet'}")
    if len(unique) > 1:
        raise UserError(f"{name} could be {' or '.join(map(str, unique.values()))}; say which")
    return next(iter(unique.values()))


def latest_folder(name: str, results: Path) -> Path:
    """Find the folder of the sweep measured last: of a study, if `name` is one, or of all studies if it is empty.

    Any other name is that of a sweep. Raises UserError as `sweep_folder` does.
    """
    study = name.replace("/", "_")  # `why/attention` is the study `why_attention`
    folders = [path for path in sweep_folders(results) if study in ("", path.parent.name)]
    if not folders:
        return sweep_folder(name or str(results / "records"), results)
    return max(folders, key=lambda folder: max(path.stat().st_mtime for path in records(folder)))


def sweep_folders(results: Path) -> list[Path]:
    """List the folders that hold the records of a sweep."""
    return [folder for folder in sorted(results.glob("records/*/*")) if any(records(folder))]


def in_order(measured: Sequence[Record]) -> list[Record]:
    """Sort records: workloads as they were measured, and the variants of each by name."""
    first: dict[str, str] = {}
    for record in sorted(measured, key=lambda record: record.created):
        first.setdefault(str(record.workload), record.created)
    return sorted(measured, key=lambda record: (first[str(record.workload)], record.cell))


def _from_mlflow(experiment: str, results: Path) -> list[Record]:
    """Read the newest logged record of each cell; `experiment` may be `NAME@URI`. Raises UserError if there is none."""
    from .mlflow.client import local_uri
    from .mlflow.download import download_records

    name, _, uri = experiment.partition("@")
    with tempfile.TemporaryDirectory(prefix="twofold-") as folder:
        try:
            paths = download_records(uri or local_uri(results), name, Path(folder))
        except Exception as error:  # MLflow raises what its database, its server and its files raise
            raise UserError(f"mlflow:{masked(experiment)}: cannot be read ({first_line(error)})") from error
        if not paths:
            raise UserError(f"mlflow:{masked(experiment)}: no such experiment, or no records in it")
        return [read(path) for path in paths]
