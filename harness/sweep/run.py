"""One job, told as a story: a workload, its trials, a record for each variant, and the views of them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

from ..claims import text as claim_text
from ..claims.verdicts import read as read_verdicts
from ..errors import UserError
from ..job import Job, Variant
from ..measure import machine
from ..measure.protocol import Failure, Outcome
from ..measure.trial import Conditions, Launch, Measured, run_trial
from ..paths import cache_folder, temporary_folder
from ..records.record import read
from ..views.plural import plural
from ..views.terminal import Terminal
from ..workload.workload import Workload, save
from .interpreters import interpreter, lacking
from .outstanding import SUCCESSES, outstanding
from .publish import Publisher, connect, publish_summary
from .sweep import Sweep


def run_job(job: Job, terminal: Terminal) -> None:
    """Measure what is outstanding of one workload. Each of its variants gets its record, however it ends."""
    described = machine.describe()
    todo = outstanding(job, described)
    if not todo:
        return
    measured = {variant: Measured(failure=_absence(job, variant)) for variant in todo}
    with temporary_folder() as temporary, ThreadPoolExecutor(2) as background:
        cpus = plural(job.device.threads, "thread")
        terminal.say(f"{job.workload.id}: {plural(len(todo), 'variant')} on {job.device.name}, {cpus}")
        workload = background.submit(_save, job.workload, Path(temporary) / "workload")
        tracker = background.submit(connect, job)
        publisher = Publisher(job, terminal, tracker, described, todo)
        for variant, known in measured.items():
            if known.failure:
                publisher.publish(variant, known, len(measured) * job.measure.budget_s)
        for trial in range(1, job.measure.trials + 1):
            last = trial == job.measure.trials

            def finished(variant: Variant, left_s: float, last: bool = last) -> None:
                if last or measured[variant].failure:
                    publisher.publish(variant, measured[variant], left_s)

            launches = {v: launch(job, v) for v, known in measured.items() if not known.failure}
            if launches:
                run_trial(launches, measured, conditions(job), workload, finished, lambda: wait([tracker]))


def sum_up(sweep: Sweep, terminal: Terminal) -> int:
    """Table and answer of a finished sweep; its exit code: 0 if every cell is ok or unsupported, else 1."""
    job = sweep.jobs[0]
    found, missing = [], []
    for cell in sweep.cells:
        path = job.folder / f"{cell}.json"
        try:
            found.append(read(path))
        except UserError as error:
            missing.append(str(error) if path.exists() else f"{cell} was planned and has no record")
    publish_summary(job, sweep.claim, found, missing, terminal)
    return int(bool(missing) or any(record.outcome not in SUCCESSES for record in found))


def digest(sweeps: Sequence[Sweep]) -> list[str]:
    """Where several studies were summed up: the claim and verdicts of each that has one, in a line."""
    if len(sweeps) < 2:
        return []
    judged = [read_verdicts(sweep.folder) for sweep in sweeps if sweep.claim]
    return ["", *(claim_text.digest(each) for each in judged if each)] if judged else []


def _absence(job: Job, variant: Variant) -> Failure | None:
    """How a variant ends whose framework is not there."""
    why = lacking(job, variant.framework)
    return Failure(Outcome.UNSUPPORTED, why) if why else None


def _save(workload: Workload, folder: Path) -> Path:
    try:
        return save(workload, folder)
    except OSError as error:
        raise UserError(f"{folder}: arrays cannot be written ({error.strerror}); set TMPDIR elsewhere") from error


def launch(job: Job, variant: Variant) -> Launch:
    """How to start the worker of a variant."""
    log = job.results / "logs" / job.study / job.sweep / f"{job.cell(variant)}.log"
    python = interpreter(job, variant.framework)
    return Launch(variant.framework, variant.execution, variant.choices.departing, python, log)


def conditions(job: Job) -> Conditions:
    """What all workers of a job share."""
    return Conditions(
        device=job.device.name,
        precision=job.workload.precision,
        cpus=_cpus(job),
        memory=job.device.memory,
        cache=cache_folder(job.results),
        target=job.measure.target,
        budget_s=job.measure.budget_s,
        warm_s=job.measure.warm_s,
        deadline_s=job.measure.deadline_s,
    )


def _cpus(job: Job) -> Sequence[int]:
    """The last CPUs that this process may use: the first ones serve most interrupts."""
    return machine.cpus()[-job.device.threads :]
