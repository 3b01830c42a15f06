"""Turns each finished variant into a record, and shows records and summaries on the terminal and in MLflow."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from types import MappingProxyType
from typing import Any

from ..claims.claim import Claim
from ..claims.judge import judge_study
from ..claims.verdicts import StudyVerdict, write
from ..errors import first_line
from ..explain.kernel_problems import problems
from ..explain.predict import Predicted
from ..job import Job, Variant
from ..measure.machine.description import describe, identity
from ..measure.trial import Measured
from ..records import calibration
from ..records.build import record_of
from ..records.record import Record
from ..views.mlflow.credentials import plain
from ..views.mlflow.pages import USUAL_PORT, Page, lines_of, local_server
from ..views.mlflow.tracker import Tracker
from ..views.terminal import Terminal
from .provenance import versions

MOST_REPORTED = 500  # records of a sweep whose page is written at its end; for more it would take longer than 2 s


class Publisher:
    """Publishes the variants of one job. If MLflow fails, the terminal says so, and the record is kept."""

    def __init__(
        self,
        job: Job,
        terminal: Terminal,
        tracker: Future[Tracker | None],
        described: dict[str, Any],
        todo: Mapping[Variant, str],
        predicted: Mapping[Variant, Predicted] = MappingProxyType({}),
    ) -> None:
        """Load the calibration of this machine.

        Args:
            job: the job.
            terminal: shows each record.
            tracker: MLflow, once it is imported; None if the job does not use it.
            described: this machine.
            todo: the outstanding variants, each mapped to why its earlier record was discarded.
            predicted: what was predicted of some of them, before any is measured.
        """
        self.job = job
        self.terminal = terminal
        self.tracker = tracker
        self.machine = described
        self.todo = todo
        self.predicted = predicted
        self.calibration = calibration.load(job.results, identity(described))
        self.rounds = uuid.uuid4().hex

    def publish(self, variant: Variant, measured: Measured, left_s: float) -> None:
        """Write the record of a variant, then show it. `left_s`: seconds that the other variants may still take."""
        depends_on = versions(self.job, variant)
        record = record_of(
            self.job, variant, measured, self.machine, self.calibration, depends_on, self.todo[variant], self.rounds
        )
        if predicted := self.predicted.get(variant):
            record.metrics |= predicted.metrics(record)
        path = record.write(self.job.folder)
        self.terminal.finished(record, path, left_s)
        try:
            if tracker := self.tracker.result():
                tracker.log(record, path, self.terminal.name(path))
        except Exception as error:  # MLflow passes on whatever its database, its server and its files raise
            self.terminal.say(f"MLflow did not take this run ({first_line(error)}); its record is {path}")


def publish_summary(
    job: Job, claim: Claim | None, records: Sequence[Record], missing: Sequence[str], terminal: Terminal
) -> StudyVerdict | None:
    """Show the table, the answer and the claim's verdicts on the terminal and, as a run of their own, in MLflow.

    The verdicts are also written to a file, and returned; None without a claim. `missing` has a sentence for each
    planned record that cannot be read.
    """
    terminal.table(records)
    for problem in problems(job.folder, records):
        terminal.say(problem)
    for why in missing:
        terminal.say(f"missing: {why}")
    verdict = None
    if claim:
        machine = records[0].machine if records else describe()  # a cluster's nodes measured, perhaps
        calibrated = calibration.load(job.results, identity(machine))
        verdict = judge_study(claim, records, missing, calibrated)
        write(job.folder, verdict)
        terminal.verdicts(verdict)
    _report(job, records, missing, verdict, terminal)
    try:
        if records and (tracker := connect(job)):
            tracker.catch_up(job.folder)
            page = tracker.summarise(records, verdict, job.folder)
            terminal.say("")
            for line in _links(job, page):
                terminal.say(line)
    except Exception as error:  # as in `publish`
        terminal.say(f"MLflow did not take the summary ({first_line(error)}); the records are in {job.folder}")
    return verdict


def _report(
    job: Job, records: Sequence[Record], missing: Sequence[str], verdict: StudyVerdict | None, terminal: Terminal
) -> None:
    """Write the page of a sweep and say where it is. Nothing that goes wrong with it is worth ending a sweep for."""
    if not records:
        return
    if len(records) > MOST_REPORTED:
        terminal.say(
            f"report: make report SWEEP={job.study}/{job.sweep} writes it; it takes a while for {len(records)}"
        )
        return
    try:
        from ..report.findings import Findings
        from ..report.page import write as write_page

        calibrated = calibration.load(job.results, identity(records[0].machine))
        page = write_page(Findings.of(job.folder, records, calibrated, verdict, missing))
        terminal.say(f"report: {page}")
    except Exception as error:  # a page is a view; the records are kept
        terminal.say(f"the report was not written ({first_line(error)}); the records are in {job.folder}")


def _links(job: Job, page: Page) -> list[str]:
    """Write the links to a sweep's pages in MLflow, in a line each."""
    uri = job.tracking.uri or ""
    if uri.startswith("http"):
        return ["MLflow:", *lines_of([page], plain(uri).rstrip("/"))]
    return ["MLflow, while `make ui` runs:", *lines_of([page], local_server(USUAL_PORT))]


def connect(job: Job) -> Tracker | None:
    """Connect to MLflow at the job's URI; None if it has none. This imports MLflow, which takes seconds."""
    return Tracker(job.tracking.uri, job.study, job.results) if job.tracking.uri else None
