"""Whole sweeps, started as a user starts them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from harness.paths import ROOT
from harness.records.record import Record, read, records
from tests.helpers.temporary import with_temporary

BRIEF = ["measure.trials=1", "measure.budget_s=2", "measure.warm_s=0.5"]
TINY = ["device=cpu", "model.batch=2", "model.depth=2", "model.width=4", *BRIEF]


class Sweep:
    """Starts `python -m harness -m` with a results folder of its own."""

    def __init__(self, results: Path, fake_python: str) -> None:
        self.results, self.fake_python = results, fake_python
        self.started: list[subprocess.Popen[str]] = []

    def start(self, *overrides: str, fake: str = "") -> subprocess.Popen[str]:
        """`fake` lists executions of the fake framework to measure beside the others."""
        extra = []
        if fake:
            extra = [
                f"+frameworks.fake.executions=[{fake}]",
                f"+frameworks.fake.interpreters.cpu='{self.fake_python}'",
                f"+variants.fake=[{fake}]",
            ]
        process = subprocess.Popen(
            [sys.executable, "-m", "harness", "-m", f"results='{self.results}'", *overrides, *extra],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # a process group, as a terminal makes it
            env=with_temporary(self.results.parent),
        )
        self.started.append(process)
        return process

    def run(self, *overrides: str, fake: str = "") -> tuple[int, str]:
        """Exit code and all that was printed."""
        process = self.start(*overrides, fake=fake)
        printed, _ = process.communicate(timeout=500)
        return process.returncode, printed

    def records(self, study: str = "adhoc") -> dict[str, Record]:
        """By variant."""
        found = [read(path) for path in records(self.results / "records" / study / "main")]
        return {f"{record.model} {record.variant}": record for record in found}

    def of_cells(self, study: str = "adhoc") -> dict[str, Record]:
        """Records by cell, for sweeps of several workloads of a model."""
        return {record.cell: record for record in map(read, records(self.results / "records" / study / "main"))}

    def outcomes(self) -> dict[str, str]:
        return {record.execution: record.outcome for record in self.records().values()}

    def runs(self, study: str, kind: str, uri: str = "") -> list[Any]:
        client = MlflowClient(uri or f"sqlite:///{self.results}/mlflow.db")
        experiment = client.get_experiment_by_name(study)
        return client.search_runs([experiment.experiment_id], f"tags.kind = '{kind}'") if experiment else []
