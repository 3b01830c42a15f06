"""Records to MLflow: one flat run per variant and one summary run per sweep. A view: records stay the truth."""

from __future__ import annotations

import getpass
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ...claims.verdicts import StudyVerdict
from ...records.record import Record, read_head, records
from ..answer import headline
from ..plural import enumerated
from ..table import Table, variant
from .client import open_client
from .limits import longest_tag, shortened
from .pages import FINDINGS, REPORT, Page
from .run import logged_metrics, params_of, seconds_spent, swept_sizes, tags_of
from .shared_view import TAG, SharedView
from .summary import description, figures, findings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_NAMED = 3  # models that the name of a sweep's findings has
_LISTED = 60  # runs that the filter of a page lists one by one
_LINKED = 10  # sweeps that the description of an experiment has
_WHOLE = ("FINISHED", "FAILED")  # statuses of runs that hold a complete record
_DESCRIPTION = "mlflow.note.content"


class Tracker:
    """Logs to one experiment, named after the study. Any method may raise whatever MLflow raises."""

    def __init__(self, uri: str, study: str, results: Path) -> None:
        self.client: MlflowClient = open_client(uri)
        self._longest = longest_tag(uri)
        stored = self.client.get_experiment_by_name(study)
        # A database keeps no files; a server has its own place for them.
        local = None if uri.startswith("http") else (results / "artifacts").resolve().as_uri()
        self.experiment: str = stored.experiment_id if stored else self._create(study, local)

    def _create(self, study: str, artifacts: str | None) -> str:
        """Create the experiment, unless another process has created it meanwhile. Returns its id."""
        from mlflow.exceptions import MlflowException

        try:
            return str(self.client.create_experiment(study, artifact_location=artifacts))
        except MlflowException:
            created = self.client.get_experiment_by_name(study)
            if not created:
                raise
            return str(created.experiment_id)

    def log(self, record: Record, path: Path, name: str = "") -> None:
        """Log one record as one run: sizes as params and metrics, numbers as metrics, versions and machine as tags.

        `name` tells the run from the others of its sweep. Its duration is the time spent on measuring the variant.
        """
        from mlflow.entities import Metric, Param

        run = self._start(record, name or f"{record.model} {variant(record)}", tags_of(record), path.name)
        when = _milliseconds(record)
        self.client.log_batch(
            run,
            metrics=[Metric(name, value, when, 0) for name, value in logged_metrics(record).items()],
            params=[Param(name, value) for name, value in params_of(record).items()],
        )
        self.client.log_artifact(run, str(path))
        ended = when + round(1000 * seconds_spent(record))
        self.client.set_terminated(run, "FINISHED" if record.outcome == "ok" else "FAILED", ended)

    def catch_up(self, folder: Path) -> int:
        """Log those records of a sweep that have no complete run in this experiment. Returns how many.

        An unfinished run (its process was killed, or MLflow went away) is deleted if it belongs to one of these records
        or to an earlier measurement of the same cell. One that was started later is still being logged by another
        process. Runs are named after what differs in the whole sweep.
        """
        paths = list(records(folder))
        measured = [read_head(path) for path in paths]
        ours = {record.cell: (record, path) for record, path in zip(measured, paths, strict=True)}
        names = _names(measured)
        whole, halves = set(), []
        for run in self._variants(folder.name):
            cell = run.data.tags["cell"]
            if run.info.status in _WHOLE:
                whole.add(run.data.tags["record"])
                name = names.get(run.data.tags["record"])
                if name and name != run.info.run_name:
                    self.client.update_run(run.info.run_id, name=name)
                if cell in ours and ours[cell][0].id == run.data.tags["record"]:
                    self._update(run, ours[cell][0])
            elif cell in ours and run.info.start_time <= _milliseconds(ours[cell][0]):
                halves.append(run.info.run_id)
        for half in halves:
            self.client.delete_run(half)
        late = [(record, path) for record, path in ours.values() if record.id not in whole]
        for record, path in late:
            self.log(record, path, names[record.id])
        return len(late)

    def _update(self, run: Run, record: Record) -> None:
        """Log the metrics of a record that have changed since its run was logged: the intervals of a finished sweep."""
        from mlflow.entities import Metric

        now = {name: value for name, value in logged_metrics(record).items() if run.data.metrics.get(name) != value}
        if now:
            when = _milliseconds(record)
            self.client.log_batch(run.info.run_id, metrics=[Metric(name, now[name], when + 1, 1) for name in now])
            self.client.set_tag(run.info.run_id, "interval", record.interval)

    def _variants(self, sweep: str) -> Iterator[Run]:
        """The runs of a sweep's variants, finished or not."""
        chosen, page = f"tags.kind = 'variant' and tags.sweep = '{sweep}'", None
        while page is None or page.token:
            page = self.client.search_runs([self.experiment], chosen, page_token=page and page.token)
            yield from page

    def summarise(
        self, records: Sequence[Record], study: StudyVerdict | None = None, folder: Path | None = None
    ) -> Page:
        """The run whose description is the sweep's table of findings, and before it the verdicts on its study's claim.

        The findings are its artifact too, and so is the report, if `folder` has one. The page of the sweep's runs is
        arranged, and linked from the experiment's description.

        It replaces earlier findings on the same cells of this sweep, but not those of another command: without a name
        of their own, all ad hoc commands belong to one sweep.
        """
        from mlflow.entities import Metric

        sweep, cells = records[0].sweep, _digest(record.cell for record in records)
        same = f"tags.kind = 'summary' and tags.sweep = '{sweep}' and tags.cells = '{cells}'"
        for old in self.client.search_runs([self.experiment], same, max_results=100):
            self.client.delete_run(old.info.run_id)
        name = f"{sweep}: {enumerated(list(dict.fromkeys(record.model for record in records)), _NAMED)}"
        report = folder / REPORT if folder and (folder / REPORT).is_file() else None
        said = findings(records, study)
        tags = {"kind": "summary", "cells": cells, "answer": headline(records), _DESCRIPTION: said}
        tags |= {f"verdict.{kind}": ruling for kind, ruling in study.rulings.items()} if study else {}
        tags |= {"report": "yes"} if report else {}
        run, when = self._start(records[-1], f"findings of {name}", tags, FINDINGS), _milliseconds(records[-1])
        self.client.log_batch(run, metrics=[Metric(name, value, when, 0) for name, value in figures(records).items()])
        self.client.log_text(run, said, FINDINGS)
        if report:
            self.client.log_artifact(run, str(report))
        self.client.set_terminated(run, end_time=when)
        self._arrange(records, name, cells)
        self._describe(records, study)
        return Page.of(self.client.get_run(run))

    def _arrange(self, records: Sequence[Record], name: str, key: str) -> None:
        """Store the page that shows the runs of these records, and no others."""
        chosen = f"tags.kind = 'variant' and tags.sweep = '{records[0].sweep}'"
        if len(records) <= _LISTED:  # of a larger sweep, all runs are shown, and searching them takes a while
            wanted = {record.id for record in records}
            runs = list(self._variants(records[0].sweep))
            listed = [run.info.run_id for run in runs if run.data.tags["record"] in wanted]
            if len(listed) < len(runs):
                chosen = f"attributes.run_id IN ({', '.join(map(repr, listed))})"
        metrics = [logged_metrics(record) for record in records]
        view = SharedView(name, headline(records), chosen, metrics, swept_sizes(records))
        self.client.set_experiment_tag(self.experiment, f"{TAG}{key}", view.tag(_milliseconds(records[-1])))

    def _describe(self, records: Sequence[Record], study: StudyVerdict | None) -> None:
        """Say in the experiment's description what was found last, and where the findings of its sweeps are."""
        summaries = self.client.search_runs([self.experiment], "tags.kind = 'summary'", max_results=_LINKED)
        said = description(records[0].sweep, records, study, [Page.of(run) for run in summaries])
        self.client.set_experiment_tag(self.experiment, _DESCRIPTION, said)

    def _start(self, record: Record, name: str, tags: dict[str, str], file: str) -> str:
        """Create a run and return its id. `file` is the artifact that has what is too long for a tag."""
        common = {
            "study": record.study,
            "sweep": record.sweep,
            "mlflow.source.name": "twofold",
            "mlflow.source.git.commit": record.harness["commit"],
            "mlflow.user": _user(),
        }
        run = self.client.create_run(
            self.experiment,
            start_time=_milliseconds(record),
            run_name=name,
            tags={key: shortened(value, self._longest, file) for key, value in (common | tags).items()},
        )
        return str(run.info.run_id)


def _names(measured: Sequence[Record]) -> dict[str, str]:
    """What each record is called in the table of its sweep, by its id."""
    table = Table.of(measured)
    return {record.id: name for record, name in zip(table.records, table.names, strict=True)}


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
