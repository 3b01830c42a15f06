"""Records to MLflow: one flat run for each variant, and one summary run for each sweep. Always a view."""

from __future__ import annotations

import getpass
import logging
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlparse

from . import claim_text
from .judged import Judged
from .record import Record, read, records
from .summary import markdown

if TYPE_CHECKING:
    from mlflow import MlflowClient

# Before MLflow is imported: no thread that phones home, and no minutes of retries on a server that went away.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")


class Tracker:
    """Logs to one experiment, named as the study. Every method may raise what MLflow raises."""

    def __init__(self, uri: str, study: str, results: Path) -> None:
        from mlflow import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.WARNING)  # it announces every table it creates
        self.client: MlflowClient = MlflowClient(uri)
        found = self.client.get_experiment_by_name(study)
        if found:
            self.experiment = found.experiment_id
        else:
            # A database keeps no files; a server has its own place for them.
            local = None if urlparse(uri).scheme.startswith("http") else (results / "artifacts").resolve().as_uri()
            self.experiment = self.client.create_experiment(study, artifact_location=local)

    def log(self, record: Record, path: Path) -> None:
        """One run: sizes as params and as metrics, numbers as metrics, versions and machine as tags."""
        from mlflow.entities import Metric, Param, RunTag

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
        }
        numbers = {k: v for k, v in sizes.items() if isinstance(v, (int, float))} | record.metrics
        tags = {
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
            tags=[RunTag("kind", "variant")],
        )
        self.client.log_artifact(run, str(path))
        self.client.set_terminated(run, "FINISHED" if record.outcome == "ok" else "FAILED")

    def catch_up(self, folder: Path) -> int:
        """Log the records of a sweep that this experiment does not have; returns how many."""
        query = f"tags.kind != 'summary' and tags.sweep = '{folder.name}'"
        logged, halves, page = set(), {}, None
        while page is None or page.token:
            page = self.client.search_runs([self.experiment], query, page_token=page and page.token)
            for run in page:
                if run.info.status == "RUNNING":  # its logger was killed, or MLflow went away
                    halves[run.data.tags["record"]] = run.info.run_id
                else:
                    logged.add(run.data.tags["record"])
        late = [(record, path) for path in records(folder) if (record := read(path)).id not in logged]
        for record in halves.keys() & {record.id for record, _ in late}:
            self.client.delete_run(halves[record])
        for record, path in late:
            self.log(record, path)
        return len(late)

    def summarise(self, records: Sequence[Record], judged: Judged | None = None) -> None:
        """The run whose description is the sweep's table of findings, and before it the verdicts on its study's claim;
        an earlier one of this sweep is replaced.
        """
        sweep = records[0].sweep
        for old in self.client.search_runs(
            [self.experiment], f"tags.kind = 'summary' and tags.sweep = '{sweep}'", max_results=100
        ):
            self.client.delete_run(old.info.run_id)
        said = [claim_text.markdown(judged)] if judged else []
        tags = {"kind": "summary", "mlflow.note.content": "\n\n".join([*said, markdown(records)])}
        tags |= {f"verdict.{kind}": answer for kind, answer in judged["answers"].items()} if judged else {}
        self.client.set_terminated(self._start(records[-1], f"findings of {sweep}", tags))

    @staticmethod
    def contents(uri: str) -> list[tuple[str, str, str | None]]:
        """(study, experiment id, id of its latest summary run) of each experiment that holds runs of ours."""
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


def download_records(uri: str, experiment: str, folder: Path) -> list[Path]:
    """The record artifacts of an experiment's runs, the newest of each cell, as files below `folder`."""
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    if found is None:
        return []
    newest = {}
    for run in client.search_runs([found.experiment_id], "tags.kind = 'variant'", order_by=["attributes.start_time"]):
        newest[run.data.tags["cell"]] = run.info.run_id
    paths = []
    for run_id in newest.values():
        target = folder / run_id
        target.mkdir()
        paths += [
            Path(client.download_artifacts(run_id, item.path, str(target))) for item in client.list_artifacts(run_id)
        ]
    return paths


def _user() -> str:
    """The user's name; the number where it has none, as in some containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _milliseconds(record: Record) -> int:
    return int(datetime.fromisoformat(record.created).timestamp() * 1000)
