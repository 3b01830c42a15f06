"""Submits tasks batch by batch, and tells of each one whose job has left the queue, for whatever reason."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from .queue import Queue, Task

PATIENT_S = 30.0  # in which a job may wait before its reason is told
OFTEN_S, SELDOM_S = 1.0, 10.0  # between two questions to the queue: at first, and when it has taken minutes


def await_earlier(queue: Queue, names: Iterable[str], say: Callable[[str], None]) -> None:
    """Wait until no job of an earlier command with these names is left; what it measures is not submitted again."""
    names = list(names)
    start = time.monotonic()
    said = False
    while jobs := queue.jobs(names):
        if not said:
            say(
                f"jobs of an earlier command are still in the queue ({len(jobs)}); waiting for them to end (Ctrl-C "
                f"gives up, scancel --name={','.join(names)} ends them)"
            )
            said = True
        _sleep(start)


def launch(tasks: Sequence[Task], queue: Queue, ended: Callable[[int, str], None], say: Callable[[str], None]) -> None:
    """Submit all tasks and return when the last of their jobs has left the queue.

    Args:
        tasks: what is to be measured.
        queue: where.
        ended: called with the index of a task and its job when that job has left the queue.
        say: called with a sentence when no job begins.

    Raises:
        UserError: the queue refuses them.
    """
    names = sorted({task.name for task in tasks})
    submitted, running, start = 0, dict[str, int](), time.monotonic()
    said = ""
    while submitted < len(tasks) or running:
        if submitted < len(tasks) and len(running) < queue.batch:
            batch = tasks[submitted : submitted + queue.batch]
            running |= {job: submitted + number for number, job in enumerate(queue.submit(batch))}
            submitted += len(batch)
        else:
            _sleep(start)
        for job in sorted(running.keys() - queue.jobs(names)):
            ended(running.pop(job), job)
        why = queue.waits_for()
        if why and why != said and time.monotonic() - start > PATIENT_S:
            said = why
            say(f"no job runs ({why}); waiting, squeue --name={','.join(names)} shows them and scancel ends them")


def _sleep(start: float) -> None:
    """Wait before the next question to the queue, the longer the more time has passed since `start`."""
    time.sleep(min(SELDOM_S, OFTEN_S + (time.monotonic() - start) / 60))
