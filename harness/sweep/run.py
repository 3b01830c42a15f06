"""Runs one job: saves its workload, runs its trials, publishes a record for each variant, and sums up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from ..claims.verdicts import StudyVerdict
from ..errors import UserError
from ..explain.ceilings import stored
from ..explain.measure_probes import measure_missing
from ..explain.predict import predictions
from ..explain.run import explain_job
from ..job import Job, Variant
from ..measure.launch import Conditions, Launch
from ..measure.machine.description import describe
from ..measure.machine.resources import cpus
from ..measure.protocol import Failure, Outcome
from ..measure.trial import Measured, run_trial
from ..paths import cache_folder, temporary_folder
from ..records.record import read, read_head
from ..views.plural import plural
from ..views.terminal import Terminal
from .interpreters import interpreter, lacking
from .outstanding import SUCCESSES, outstanding
from .own_references import OwnReferences
from .pool_intervals import pool_intervals
from .provenance import version
from .publish import MOST_REPORTED, Publisher, connect, publish_summary
from .references import References
from .sweep import Sweep


def run_job(job: Job, terminal: Terminal) -> None:
    """Measure the outstanding variants of a job, and explain all if asked. Each gets a record, whatever its outcome."""
    described = describe()
    doing = partial(_doing, job, terminal)
    if job.explain:
        measure_missing(
            job, partial(launch, job), conditions(job), partial(version, job), terminal.say, doing("measuring ceilings")
        )
    todo = outstanding(job, described)
    if todo:
        _measure(job, todo, described, terminal)
    if job.explain:
        ceilings = partial(stored, job, version=partial(version, job))
        explain_job(
            job, partial(launch, job), conditions(job), terminal.say, terminal.show, doing("explaining"), ceilings
        )


def _doing(job: Job, terminal: Terminal, what: str) -> Callable[[Variant], None]:
    """Make a function that tells the terminal what is done with a variant."""
    return lambda variant: terminal.doing(what, job.path(variant), None)


def _measure(job: Job, todo: Mapping[Variant, str], described: dict[str, Any], terminal: Terminal) -> None:
    """Measure the variants of a job in `todo`, each mapped to why an earlier record was discarded."""
    predicted = predictions(job, todo, partial(version, job))
    measured = {variant: Measured(failure=_absence(job, variant)) for variant in todo}
    with (
        temporary_folder() as temporary,
        ThreadPoolExecutor(2) as background,
        closing(_references(job, measured, Path(temporary) / "workload", terminal)) as references,
    ):
        terminal.starting([job.path(v) for v in todo], f"{job.device.name}, {plural(job.device.threads, 'thread')}")
        workload = background.submit(references.save)
        tracker = background.submit(connect, job)
        publisher = Publisher(job, terminal, tracker, described, todo, predicted)
        for variant, result in measured.items():
            if result.failure:
                publisher.publish(variant, result, len(measured) * job.measure.budget_s)
        for trial in range(1, job.measure.trials + 1):
            last = trial == job.measure.trials

            later_s = (job.measure.trials - trial) * len(todo) * job.measure.budget_s

            def doing(what: str, variant: Variant, left_s: float | None, later_s: float = later_s) -> None:
                terminal.doing(what, job.path(variant), None if left_s is None else left_s + later_s)

            def finished(variant: Variant, left_s: float, last: bool = last) -> None:
                if last or measured[variant].failure:
                    publisher.publish(variant, measured[variant], left_s)

            launches = {v: launch(job, v) for v, result in measured.items() if not result.failure}
            if launches:
                run_trial(
                    launches,
                    measured,
                    conditions(job),
                    workload,
                    finished,
                    wait_until_idle=lambda: wait([tracker]),
                    doing=doing,
                    abandon=references.close,
                )


class Ending(NamedTuple):
    """How a sweep ended.

    Attributes:
        code: the exit code: 0 if every cell is ok or unsupported, else 1.
        verdict: the verdict on its claim; None if it has no claim.
    """

    code: int
    verdict: StudyVerdict | None


def sum_up(sweep: Sweep, terminal: Terminal, lost: Mapping[str, str] = MappingProxyType({})) -> Ending:
    """Show the summary of a finished sweep; `lost` has a sentence for each cell whose job ended without a record."""
    job = sweep.jobs[0]
    samples = sweep.claim or len(sweep.cells) <= MOST_REPORTED  # a claim and a page ask for them
    records, missing = [], []
    for cell in sweep.cells:
        path = job.folder / f"{cell}.json"
        if cell in lost:
            missing.append(lost[cell])
            continue
        try:
            records.append(read(path) if samples else read_head(path))
        except UserError as error:
            missing.append(str(error) if path.exists() else f"{cell} was planned and has no record")
    records = pool_intervals(records, job.results, job.folder)
    verdict = publish_summary(job, sweep.claim, records, missing, terminal)
    return Ending(int(bool(missing) or any(record.outcome not in SUCCESSES for record in records)), verdict)


def _absence(job: Job, variant: Variant) -> Failure | None:
    """Return the failure of a variant whose framework is not installed; None if it is installed."""
    why = lacking(job, variant.framework, variant.environment)
    return Failure(Outcome.UNSUPPORTED, why) if why else None


def _references(job: Job, measured: Mapping[Variant, Measured], folder: Path, terminal: Terminal) -> References:
    """Prepare the references of the variants that can be measured."""
    frameworks = [variant.framework for variant, result in measured.items() if not result.failure]
    kind = References if job.workload.graph else OwnReferences
    return kind(job, frameworks, _cpus(job), folder, terminal.say)


def launch(job: Job, variant: Variant) -> Launch:
    """Describe how to start the worker of a variant."""
    log = job.results / "logs" / job.study / job.sweep / f"{job.cell(variant)}.log"
    python = interpreter(job, variant.framework, variant.environment)
    return Launch(variant.framework, variant.execution, variant.choices.departing, python, log, variant.environment)


def conditions(job: Job) -> Conditions:
    """Collect the settings shared by all workers of a job."""
    return Conditions(job.device, job.measure, job.workload.precision, _cpus(job), cache_folder(job.results))


def _cpus(job: Job) -> Sequence[int]:
    """Choose the last CPUs that this process may use: the first ones serve most interrupts."""
    return cpus()[-job.device.threads :]
