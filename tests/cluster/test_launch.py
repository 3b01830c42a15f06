"""Which tasks are submitted when, and what is told of their jobs; on a queue that does as it is told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from harness.cluster import launch as launching
from harness.cluster.launch import await_earlier, launch
from harness.cluster.queue import End, Task


class Scripted:
    """Ends `at_once` jobs between two questions, the oldest first."""

    name = "scripted"

    def __init__(self, batch: int, at_once: int) -> None:
        self.batch, self.at_once = batch, at_once
        self.waiting: list[str] = []
        self.submitted: list[int] = []
        self.most = 0
        self.reason = ""

    def submit(self, tasks: Sequence[Task]) -> list[str]:
        first = sum(self.submitted)
        self.submitted.append(len(tasks))
        jobs = [f"{len(self.submitted)}_{first + number}" for number in range(len(tasks))]
        self.waiting += jobs
        self.most = max(self.most, len(self.waiting))
        return jobs

    def jobs(self, names: Iterable[str]) -> set[str]:
        self.waiting = self.waiting[self.at_once :]
        return set(self.waiting)

    def waits_for(self) -> str:
        return self.reason if self.waiting else ""

    def end(self, job: str) -> End:
        return End("over")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launching, "SELDOM_S", 0.0)


def tasks(count: int) -> list[Task]:
    return [Task((f"seed={number}",), "cpu", Path("results/records/study/main")) for number in range(count)]


@pytest.mark.parametrize(("batch", "at_once"), [(1, 1), (10, 3), (1000, 7)])
def test_every_task_is_submitted_once_and_its_end_is_told_once(batch: int, at_once: int) -> None:
    queue, told = Scripted(batch, at_once), list[tuple[int, str]]()
    launch(tasks(45), queue, lambda index, job: told.append((index, job)), pytest.fail)
    assert sum(queue.submitted) == 45
    assert sorted(index for index, _ in told) == list(range(45))
    assert all(job.endswith(f"_{index}") for index, job in told)


def test_the_next_batch_comes_when_less_than_one_is_left_so_that_the_nodes_never_wait() -> None:
    queue = Scripted(batch=10, at_once=3)
    launch(tasks(40), queue, lambda index, job: None, pytest.fail)
    assert queue.submitted == [10, 10, 10, 10]
    assert 10 < queue.most < 20


def test_why_no_job_begins_is_said_once_and_not_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    queue, said = Scripted(10, 1), list[str]()
    queue.reason = "PartitionConfig"
    launch(tasks(4), queue, lambda index, job: None, said.append)
    assert not said, "jobs may wait for a while"
    monkeypatch.setattr(launching, "PATIENT_S", 0.0)
    launch(tasks(4), queue, lambda index, job: None, said.append)
    (sentence,) = said
    assert sentence.startswith("no job runs (PartitionConfig); waiting, squeue --name=twofold-study-main-")


def test_jobs_of_an_earlier_command_are_awaited_and_said_once() -> None:
    queue, said = Scripted(10, 1), list[str]()
    queue.submit(tasks(4))
    await_earlier(queue, ["twofold-a"], said.append)
    assert not queue.waiting
    (sentence,) = said
    assert sentence.startswith("jobs of an earlier command are still in the queue (3)")
    assert sentence.endswith("scancel --name=twofold-a ends them)")


def test_nothing_is_said_of_an_empty_queue() -> None:
    said = list[str]()
    await_earlier(Scripted(10, 1), ["twofold-a"], said.append)
    assert not said
