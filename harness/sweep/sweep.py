"""What a sweep will measure, known before it starts, and how long that takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .. import paths
from ..config.validate import Settings, Variant
from ..errors import UserError
from ..measure import machine
from ..records.record import Record, read_head, write_json
from .forecast import Forecast, forecast
from .outstanding import outstanding
from .preflight import lacking


@dataclass(frozen=True)
class Plan:
    """The jobs of one sweep, in order. They share a study, its claim, a sweep and a results folder."""

    jobs: tuple[Settings, ...]

    @classmethod
    def of(cls, jobs: Sequence[Settings]) -> Plan:
        """Raises UserError where jobs do not belong to one sweep, or two are the same."""
        first = jobs[0]
        for job in jobs:
            if any(getattr(job, name) != getattr(first, name) for name in ("folder", "tracking", "redo", "claim")):
                raise UserError(
                    "study.name, claim, sweep, results, tracking and redo cannot be swept; "
                    "they belong to the sweep itself"
                )
        plan = cls(tuple(jobs))
        if twice := sorted(cell for cell, count in Counter(plan.cells).items() if count > 1):
            raise UserError(f"{twice[0]} would be measured twice in one sweep; the swept values give the same work")
        return plan

    @cached_property
    def cells(self) -> list[str]:
        """Every variant of every workload, in the order they are measured."""
        return [job.cell(variant) for job in self.jobs for variant in job.variants]

    @cached_property
    def outstanding(self) -> list[dict[Variant, str]]:
        """For each job what is to be measured, and why again. Ask when the device's lock is held. Raises UserError."""
        described = machine.describe()
        return [outstanding(job, described) for job in self.jobs]

    @cached_property
    def earlier(self) -> dict[str, list[Record]]:
        """The records of each cell that is to be measured, of any sweep, oldest first, that got as far as set up."""
        folders = sorted(self.jobs[0].results.glob("records/*/*"))
        found = {}
        for job, todo in zip(self.jobs, self.outstanding, strict=True):
            for cell in map(job.cell, todo):
                if known := [r for folder in folders if (r := _prepared(folder / f"{cell}.json"))]:
                    found[cell] = sorted(known, key=lambda record: record.created)
        return found

    @cached_property
    def forecasts(self) -> list[Forecast]:
        """How long each job takes."""
        return [
            forecast(job, {v: self.earlier.get(job.cell(v), []) for v in todo if not lacking(job, v.framework)})
            for job, todo in zip(self.jobs, self.outstanding, strict=True)
        ]

    @property
    def _absent(self) -> int:
        """How many of the outstanding cells lack their framework."""
        todo = zip(self.jobs, self.outstanding, strict=True)
        return sum(bool(lacking(job, variant.framework)) for job, variants in todo for variant in variants)

    @property
    def forecast(self) -> Forecast:
        """How long all jobs take."""
        return sum(self.forecasts, Forecast())

    def begin(self, later_s: float = 0.0) -> None:
        """Write the plan beside the records, so that a job knows how long the later ones take, and then other sweeps
        (`later_s`). Raises UserError.
        """
        paths.remove(self.jobs[0].results, self.jobs[0].folder)
        planned = [
            {"first": job.cell(job.variants[0]), "planned_s": each.seconds}
            for job, each in zip(self.jobs, self.forecasts, strict=True)
        ]
        plan = {"cells": self.cells, "planned_s": self.forecast.seconds, "jobs": planned, "later_s": later_s}
        write_json(self.jobs[0].folder / "sweep.json", plan)

    def announcement(self) -> list[str]:
        """What is kept, what is measured again and why, and how long it takes: a line each."""
        reasons = Counter(why for todo in self.outstanding for why in todo.values())
        count = reasons.total()
        lines = []
        if kept := len(self.cells) - count:
            lines.append(f"{kept} of {len(self.cells)} variants are measured already and kept; redo=all measures again")
        lines += [f"{number} to measure again, {why}" for why, number in reasons.most_common() if why]
        if count:
            workloads = sum(map(bool, self.outstanding))
            lines.append(f"{count} variants of {workloads} workloads: {self.forecast}")
            if unseen := count - len(self.earlier) - self._absent:
                lines[-1] += f", and the first compile of {unseen} that were never measured"
        return lines


def forecast_of(plans: Sequence[Plan]) -> Forecast:
    """How long all of them take."""
    return sum((plan.forecast for plan in plans), Forecast())


def begin(plans: Sequence[Plan], say: Callable[[str], None]) -> None:
    """Begin sweeps that follow each other, and say what each will do and how long all take."""
    left_s = forecast_of(plans).seconds
    for plan in plans:
        left_s -= plan.forecast.seconds
        plan.begin(left_s)
        for line in plan.announcement():
            say(f"{plan.jobs[0].study}: {line}" if len(plans) > 1 else line)
    if len(plans) > 1:
        say(f"{len(plans)} studies: {forecast_of(plans)}")


def _prepared(path: Path) -> Record | None:
    """The record of a variant that was at least set up, if there is one."""
    try:
        record = read_head(path)
    except UserError:
        return None
    return record if "set_up_s" in record.metrics else None
