"""Workers of the fake framework."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.measure.worker import Worker


class Start:
    """Starts workers of the fake framework; they are ended after the test."""

    def __init__(self, python: str, folder: Path, logs: Path) -> None:
        self.python, self.folder, self.logs = python, folder, logs
        self.workers: list[Worker] = []

    def __call__(self) -> Worker:
        worker = Worker(self.python, sorted(os.sched_getaffinity(0)), self.logs / f"{len(self.workers)}.log", {})
        self.workers.append(worker)
        return worker

    def opened(self, framework: str = "fake") -> Worker:
        worker = self()
        worker.open(60, framework=framework, device="cpu", threads=1, precision="fp32")
        return worker

    def loaded(self, execution: str, deadline_s: float = 60) -> Worker:
        """A worker that holds a program, after its first calls: one of each phase."""
        worker = self.opened()
        worker.load(deadline_s, self.folder, execution)
        return worker


@pytest.fixture
def start(fake_python: str, tiny_folder: Path, tmp_path: Path) -> Iterator[Start]:
    found = Start(fake_python, tiny_folder, tmp_path)
    yield found
    for worker in found.workers:
        worker.close()
