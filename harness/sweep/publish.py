"""A finished variant becomes a record; the record is shown on the terminal and in MLflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from ..claims.claim import Claim
from ..claims.judge import judge_study
from ..claims.verdicts import write
from ..errors import first_line
from ..job import Job, Variant
from ..measure.machine.description import describe, identity
from ..measure.trial import Measured
from ..records import calibration
from ..records.build import record_of
from ..records.record import Record
from ..views.mlflow import Tracker
from ..views.terminal import Terminal
from .provenance import versions


class Publisher:
    """Publishes the variants of one job. What MLflow does not take is said, and stays in the record."""

    def __init__(
        self,
        job: Job,
        terminal: Terminal,
        tracker: Future[Tracker | None],
        described: dict[str, Any],
        todo: Mapping[Variant, str],
    ) -> None:
        """`described` is this machine; `todo` says of each variant why it is measured again."""
        self.job = job
        self.terminal = terminal
        self.tracker = tracker
        self.machine = described
        self.todo = todo
        self.calibration = calibration.load(job.results, identity(described))

    def publish(self, variant: Variant, known: Measured, left_s: float) -> None:
        """Write the record first; then show it."""
        depends_on = versions(self.job, variant)
        record = record_of(self.job, variant, known, self.machine, self.calibration, depends_on, self.todo[variant])
        path = record.write(self.job.folder)
        self.terminal.finished(record, path, left_s)
        try:
            if tracker := self.tracker.result():
                tracker.log(record, path)
        except Exception as error:  # MLflow raises what its database, its server and its files raise
            self.terminal.say(f"MLflow did not take this run ({first_line(error)}); its record is {path}")


def publish_summary(
    job: Job, claim: Claim | None, records: Sequence[Record], missing: Sequence[str], terminal: Terminal
) -> None:
    """The table, the answer and a claim's verdicts: on the terminal, in a file, and as a run of its own in MLflow."""
    terminal.table(records)
    for why in missing:
        terminal.say(f"missing: {why}")
    verdict = None
    if claim:
        known = calibration.load(job.results, identity(describe()))
        verdict = judge_study(claim, records, missing, known)
        write(job.folder, verdict)
        terminal.verdicts(verdict)
    try:
        if records and (tracker := connect(job)):
            tracker.catch_up(job.folder)
            tracker.summarise(records, verdict)
    except Exception as error:  # as above
        terminal.say(f"MLflow did not take the summary ({first_line(error)}); the records are in {job.folder}")


def connect(job: Job) -> Tracker | None:
    """MLflow at the job's address, if it has one. Takes seconds: MLflow is imported here."""
    return Tracker(job.tracking.uri, job.study, job.results) if job.tracking.uri else None
