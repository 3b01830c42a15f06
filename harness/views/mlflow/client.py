"""Opens MLflow's client; makes the database file if it is missing."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from .credentials import use_credentials

if TYPE_CHECKING:
    from mlflow import MlflowClient

# Set before MLflow is imported: no thread that phones home, no line on the terminal for each run, no minutes of retries
# on a server that has gone away.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")

_LOCAL = "sqlite:///"


def local_uri(results: Path) -> str:
    """The address of the database in a results folder."""
    return f"{_LOCAL}{results / 'mlflow.db'}"


def open_client(uri: str) -> MlflowClient:
    """Open a server or a database, which is made if it is missing. This imports MLflow, which takes seconds."""
    from mlflow import MlflowClient

    logging.getLogger("mlflow").setLevel(logging.WARNING)  # otherwise it announces every table it creates
    if uri.startswith(_LOCAL):
        _make_database(Path(uri.removeprefix(_LOCAL).partition("?")[0]))
    return MlflowClient(use_credentials(uri) if uri.startswith("http") else uri)


def _make_database(path: Path) -> None:
    """Create the database atomically if it is missing: MLflow cannot use one whose creation was interrupted."""
    if path.exists():
        return
    from mlflow import MlflowClient

    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".mlflow-", suffix=f".{os.getpid()}", dir=path.parent) as folder:
        draft = Path(folder) / path.name
        MlflowClient(f"{_LOCAL}{draft}").search_experiments(max_results=1)
        draft.replace(path)
