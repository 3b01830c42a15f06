"""Records to MLflow: one flat run per variant and one summary run per sweep. A view: records stay the truth."""

from __future__ import annotations

import getpass
import hashlib
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import urlparse

from ..claims import text
from ..claims.verdicts import StudyVerdict
from ..records.record import Record, read, records
from .plural import enumerated
from .table import markdown

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

# Set before MLflow is imported: no thread that phones home, no minutes of retries on a server that has gone away.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")

_LOCAL = "sqlite:///"
_NAMED = 3  # models that the name of a sweep's findings has
_WHOLE = ("FINISHED", "FAILED")  # statuses of runs that hold a complete record


def local_uri(results: Path) -> str:
    """The address of the database in a results folder."""
    return f"{_LOCAL}{results / 'mlflow.db'}"


class Tracker:
    """Logs to one experiment, named after the study. Any method may raise whatever MLflow raises."""

    def __init__(self, uri: str, study: str, results: Path) -> None:
        from mlflow import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.WARNING)  # otherwise it announces every table it creates
        if uri.startswith(_LOCAL):
            _make_database(Path(uri.removeprefix(_LOCAL).partition("?")[0]))
        self.client: MlflowClient = MlflowClient(uri)
        found = self.client.get_experiment_by_name(study)
        if found:
            self.experiment = found.experiment_id
        else:
            # A database keeps no files; a server has its own place for them.
            local = None if urlparse(uri).scheme.startswith("http") else (results / "artifacts").resolve().as_uri()
            self.experiment = self.client.create_experiment(study, artifact_location=local)

    def log(self, record: Record, path: Path) -> None:
        """Log one record as one run: sizes as params and metrics, numbers as metrics, versions and machine as tags."""
        from mlflow.entities import Metric, Param

        sizes = {k: v for k, v in record.workload["sizes"].items() if v is not None}
        params = sizes | {
            "model": record.model,
            "precision": record.workload["precision"],
            "seed": record.workload["seed"],
            "device": record.device,
            "threads": record.threads,
            "memory": record.memory,
            "framework": record.framework,
            "execution": record.execution,
            "gradients": record.workload["gradients"],
            **record.choices,
            **({"environment": record.environment_name} if record.environment_name else {}),
        }
        numbers = {k: v for k, v in sizes.items() if isinstance(v, (int, float))} | metrics_of(record)
        tags = {
            "kind": "variant",
            "outcome": record.outcome,
            "reason": record.reason,
            "noise": record.noise,
            "remeasured": record.remeasured,
            "cell": record.cell,
            "record": record.id,
            "interval": record.interval,
            "stop": ", ".join(record.stop),
            **{f"version.{k}": v for k, v in (record.versions | record.described).items()},
            **{f"machine.{k}": str(v) for k, v in record.machine.items()},
            **{f"environment.{k}": v for k, v in (record.environment or {}).items()},
        }
        run = self._start(record, f"{record.model} {record.variant}", tags)
        when = _milliseconds(record)
        self.client.log_batch(
            run,
            metrics=[Metric(name, float(value), when, 0) for name, value in numbers.items()],
            params=[Param(name, str(value)) for name, value in params.items()],
        )
        self.client.log_artifact(run, str(path))
        self.client.set_terminated(run, "FINISHED" if record.outcome == "ok" else "FAILED")

    def catch_up(self, folder: Path) -> int:
        """Log those records of a sweep that have no complete run in this experiment. Returns how many.

        An unfinished run (its process was killed, or MLflow went away) is deleted if it belongs to one of these records
        or to an earlier measurement of the same cell. One that was started later is still being logged by another
        process.
        """
        ours = {record.cell: (record, path) for path in records(folder) for record in [read(path)]}
        whole, halves = set(), []
        for run in self._variants(folder.name):
            cell = run.data.tags["cell"]
            if run.info.status in _WHOLE:
                whole.add(run.data.tags["record"])
            elif cell in ours and run.info.start_time <= _milliseconds(ours[cell][0]):
                halves.append(run.info.run_id)
        for half in halves:
            self.client.delete_run(half)
        late = [(record, path) for record, path in ours.values() if record.id not in whole]
        for record, path in late:
            self.log(record, path)
        return len(late)

    def _variants(self, sweep: str) -> Iterator[Run]:
        """The runs of a sweep's variants, including the unfinished runs of an older version, which have no kind."""
        page = None
        while page is None or page.token:
            page = self.client.search_runs([self.experiment], f"tags.sweep = '{sweep}'", page_token=page and page.token)
            yield from (run for run in page if run.data.tags.get("kind") != "summary")

    def summarise(self, records: Sequence[Record], study: StudyVerdict | None = None) -> None:
        """The run whose description is the sweep's table of findings, and before it the verdicts on its study's claim.

        It replaces earlier findings on the same cells of this sweep, but not those of another command: without a name
        of their own, all ad hoc commands belong to one sweep.
        """
        sweep, cells = records[0].sweep, _digest(record.cell for record in records)
        same = f"tags.kind = 'summary' and tags.sweep = '{sweep}' and tags.cells = '{cells}'"
        for old in self.client.search_runs([self.experiment], same, max_results=100):
            self.client.delete_run(old.info.run_id)
        models = enumerated(list(dict.fromkeys(record.model for record in records)), _NAMED)
        said = [text.markdown(study)] if study else []
        tags = {"kind": "summary", "cells": cells, "mlflow.note.content": "\n\n".join([*said, markdown(records)])}
        tags |= {f"verdict.{kind}": ruling for kind, ruling in study.rulings.items()} if study else {}
        self.client.set_terminated(self._start(records[-1], f"findings of {sweep}: {models}", tags))

    @staticmethod
    def contents(uri: str) -> list[tuple[str, str, str | None]]:
        """(study, experiment id, id of the latest summary run) of every experiment that holds our runs."""
        from mlflow import MlflowClient

        client, found = MlflowClient(uri), []
        for experiment in client.search_experiments():
            if client.search_runs([experiment.experiment_id], "tags.kind = 'variant'", max_results=1):
                summaries = client.search_runs([experiment.experiment_id], "tags.kind = 'summary'", max_results=1)
                latest = summaries[0].info.run_id if summaries else None
                found.append((experiment.name, experiment.experiment_id, latest))
        return found

    def _start(self, record: Record, name: str, tags: dict[str, str]) -> str:
        common = {
            "study": record.study,
            "sweep": record.sweep,
            "mlflow.source.name": "twofold",
            "mlflow.source.git.commit": record.harness["commit"],
            "mlflow.user": _user(),
        }
        run = self.client.create_run(
            self.experiment, start_time=_milliseconds(record), run_name=name, tags=common | tags
        )
        return str(run.info.run_id)


def metrics_of(record: Record) -> dict[str, float]:
    """Every number of a record under the name that `harness/records/metrics.py` gives it."""
    named: dict[str, float | None] = dict(record.metrics)
    for name, phase in record.phases.items():
        named |= {
            f"{name}_ms": phase.ms,
            f"first_{name}_s": phase.first_s,
            f"executed_{name}_matmuls": phase.matmuls,
            f"executed_{name}_flops": phase.flops,
            f"{name}_matmuls": phase.asked_matmuls,
            f"{name}_flops": phase.asked_flops,
            f"{name}_device_ms": phase.device_ms,
            f"{name}_kernels": phase.kernels,
            f"{name}_peak_mib": phase.peak_mib,
            f"{name}_joules": phase.joules,
        }
    for name in ("forward", "backward"):
        named[f"{name}_gflops"] = record.phases[name].gflops
    return {name: float(value) for name, value in named.items() if value is not None}


def download_records(uri: str, experiment: str, folder: Path) -> list[Path]:
    """Download the newest record of each cell of an experiment to files below `folder`."""
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    if found is None:
        return []
    newest = {}
    whole = "tags.kind = 'variant' and attributes.status != 'RUNNING'"
    for run in client.search_runs([found.experiment_id], whole, order_by=["attributes.start_time"]):
        newest[run.data.tags["cell"]] = run.info.run_id
    paths = []
    for run_id in newest.values():
        target = folder / run_id
        target.mkdir()
        paths += [
            Path(client.download_artifacts(run_id, item.path, str(target))) for item in client.list_artifacts(run_id)
        ]
    return paths


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


def _digest(names: Iterable[str]) -> str:
    """The same twelve digits for the same set of names."""
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[:12]


def _user() -> str:
    """The user's name, or the user's number where there is no name, as in some containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _milliseconds(record: Record) -> int:
    return int(datetime.fromisoformat(record.created).timestamp() * 1000)
