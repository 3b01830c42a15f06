"""A test's own experiment in MLflow, and its runs as another process would see them; the test's module says `uri`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from harness.views.mlflow.tracker import Tracker


@pytest.fixture
def study(request: pytest.FixtureRequest) -> str:
    """An experiment of the test's own."""
    return request.node.name


@pytest.fixture
def tracker(uri: str, study: str, tmp_path: Path) -> Tracker:
    return Tracker(uri, study, tmp_path)


@pytest.fixture
def runs(uri: str, study: str) -> Callable[..., Any]:
    """The runs of the experiment, as another process would see them."""

    return lambda kind: runs_of(uri, study, kind)


def runs_of(uri: str, study: str, kind: str) -> list[Any]:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(study)
    return client.search_runs([experiment.experiment_id], f"tags.kind = '{kind}'")
