"""What a sweep will measure, known before it starts, and how long that takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .config import Settings
from .errors import UserError
from .findings.record import write_json

# Import, compile and verification of six variants, two at a time; seen on two cores with warm caches.
SET_UP_S = 35.0


@dataclass(frozen=True)
class Plan:
    """The jobs of one sweep, in order. They share a study, a sweep and a results folder."""

    jobs: tuple[Settings, ...]

    @classmethod
    def of(cls, jobs: Sequence[Settings]) -> Plan:
        """Raises UserError where jobs do not belong to one sweep, or two are the same."""
        first = jobs[0]
        for job in jobs:
            if job.folder != first.folder or job.tracking != first.tracking:
                raise UserError("study.name, sweep, results and tracking cannot be swept; they name the sweep itself")
        cells = [cell for job in jobs for cell in _cells(job)]
        if twice := {cell for cell in cells if cells.count(cell) > 1}:
            raise UserError(f"{min(twice)} would be measured twice in one sweep; the swept values give the same work")
        return cls(tuple(jobs))

    @property
    def cells(self) -> list[str]:
        """Every variant of every workload, in the order they are measured."""
        return [cell for job in self.jobs for cell in _cells(job)]

    @property
    def seconds(self) -> float:
        """How long it takes, at most, with warm compile caches."""
        return sum(map(job_seconds, self.jobs))

    def begin(self) -> None:
        """Write the plan beside the records, so that a reader knows what is missing. Raises UserError."""
        write_json(
            self.jobs[0].folder / "sweep.json",
            {
                "cells": self.cells,
                "planned_s": self.seconds,
                "jobs": [{"first": _cells(job)[0], "planned_s": job_seconds(job)} for job in self.jobs],
            },
        )


def job_seconds(job: Settings) -> float:
    """Seconds that one job takes at most."""
    each = job.measure.warm_s + job.measure.budget_s
    return job.measure.trials * (SET_UP_S + len(job.variants) * each)


def _cells(job: Settings) -> list[str]:
    return [job.cell(variant) for variant in job.variants]
