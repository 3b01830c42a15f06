"""Measures a sweep's jobs on other machines. What comes of them is read from their records, and from nothing else.

Each job is the command that would measure its workload on its node, so that the node checks what it has, and locks its
own device. A job that ends without a record, for whatever reason, leaves a cell that the same command submits again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..cluster.launch import await_earlier, launch
from ..cluster.node import forget_machine
from ..cluster.queue import Queue, Task, queue_name
from ..config.compose import Overrides
from ..config.expand import Requested
from ..errors import UserError
from ..job import Variant
from ..records.record import read_head
from ..views.plural import plural
from ..views.terminal import Terminal
from .lock import device_lock
from .sweep import Sweep

# The command on this machine expands the study's jobs, judges its claim and logs to MLflow, once and for all jobs.
_DONE_HERE = {"jobs": "[]", "claim": "null", "tracking": "off"}


@contextmanager
def sole_use(queue: Queue, sweeps: Sequence[Sweep], say: Callable[[str], None]) -> Iterator[None]:
    """Wait until no other command measures these sweeps, and no job of an earlier one is left in the queue."""
    names = [queue_name(sweep.folder) for sweep in sweeps]
    with device_lock(f"{queue.name}-{names[0]}", say):
        await_earlier(queue, names, say)
        yield


def measure_elsewhere(
    queue: Queue, sweeps: Sequence[Sweep], requests: Sequence[Requested], folder: str, terminal: Terminal
) -> Mapping[str, str]:
    """Submit the jobs with outstanding variants, and those to be explained; wait until all have ended.

    Args:
        queue: takes the jobs.
        sweeps: planned.
        requests: the jobs of all sweeps, with their overrides.
        folder: of Hydra's own files; it is shared with the nodes.
        terminal: shows each record as its job ends.

    Returns:
        For each cell that was not measured, the sentence that says why.

    Raises:
        UserError: the queue refuses the jobs, or no job could write in the results folder.
    """
    todo_by_job: dict[int, list[Variant]] = {}
    for sweep in sweeps:
        outstanding = sum(map(len, sweep.outstanding))
        if outstanding == len(sweep.cells):
            forget_machine(sweep.folder)
        for job, variants in zip(sweep.jobs, sweep.outstanding, strict=True):
            if variants or job.explain:
                todo_by_job[id(job)] = list(variants)
    submitted = [request for request in requests if id(request.job) in todo_by_job]
    tasks = [
        Task(_command(request.overrides, f"{folder}/{number}"), request.job.device.name, request.job.folder)
        for number, request in enumerate(submitted)
    ]
    before = {path: _version(path) for r in submitted for path in map(r.job.path, todo_by_job[id(r.job)])}
    lost: dict[str, str] = {}
    terminal.later_s.clear()  # jobs run beside each other
    blind: list[str] = []

    def ended(index: int, number: str) -> None:
        """Show the records that a job has left, and say how it ended if one is missing."""
        job = submitted[index].job
        missing = []
        for variant in todo_by_job[id(job)]:
            path = job.path(variant)
            if (version := _version(path)) and version != before[path]:
                terminal.finished(read_head(path), path, 0.0)
            else:
                missing.append(job.cell(variant))
        if missing:
            end = queue.end(number)
            blind.extend([number] * end.blind)
            for cell in missing:
                lost[cell] = f"{cell} was lost with job {number} ({end.how}); the same command submits it again"

    if tasks:
        where = "SLURM" if queue.name == "slurm" else "this machine, one after the other"
        terminal.say(f"{plural(len(tasks), 'job')} on {where}; logs in {folder}")
        launch(tasks, queue, ended, terminal.say)
    if tasks and len(blind) == len(tasks):
        raise UserError(
            f"results={tasks[0].folder.parents[2]}: the nodes do not see it (none of {plural(len(tasks), 'job')} could "
            "write its log there); choose results=FOLDER on storage that they share"
        )
    return lost


def _command(overrides: Overrides, folder: str) -> Overrides:
    """Return the overrides by which a node measures one workload of a sweep; Hydra's files go to `folder`."""
    of_workload = [override for override in overrides if _group(override) not in _DONE_HERE]
    quoted = folder.replace("\\", "\\\\").replace("'", "\\'")
    return (*of_workload, *(f"{key}={value}" for key, value in _DONE_HERE.items()), f"hydra.sweep.dir='{quoted}'")


def _group(override: str) -> str:
    """Return the first part of an override's key, such as `tracking` of `tracking.uri=...`."""
    return override.partition("=")[0].lstrip("+~").partition(".")[0]


def _version(path: Path) -> int | None:
    """Return what tells a record from the one that replaces it; None if there is none."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None
