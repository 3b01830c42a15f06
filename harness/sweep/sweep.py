"""A sweep: its jobs, what is outstanding of them, and how long that takes. Known before anything is measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..claims.claim import Claim
from ..config.compose import Requested
from ..errors import UserError
from ..job import Job, Variant
from ..measure import machine
from ..paths import remove_leftovers
from ..records.record import Record, read_head
from ..views.plural import plural
from ..views.terminal import Terminal
from .forecast import Forecast, forecast
from .interpreters import lacking
from .outstanding import outstanding


@dataclass(frozen=True)
class Sweep:
    """The jobs of one sweep, in order, and the claim of their study. They share a results folder."""

    jobs: tuple[Job, ...]
    claim: Claim | None = None

    @classmethod
    def of(cls, jobs: Sequence[Job], claim: Claim | None = None) -> Sweep:
        """Raises UserError where jobs do not belong to one sweep, or two are the same."""
        first = jobs[0]
        for job in jobs:
            if any(getattr(job, name) != getattr(first, name) for name in ("folder", "tracking", "redo")):
                raise UserError(
                    "study.name, claim, sweep, results, tracking and redo cannot be swept; "
                    "they belong to the sweep itself"
                )
        sweep = cls(tuple(jobs), claim)
        if twice := sorted(cell for cell, count in Counter(sweep.cells).items() if count > 1):
            raise UserError(f"{twice[0]} would be measured twice in one sweep; the swept values give the same work")
        return sweep

    @property
    def folder(self) -> Path:
        """The folder of its records."""
        return self.jobs[0].folder

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

    def announcement(self) -> list[str]:
        """What is kept, what is measured again and why, and how long it takes: a line each."""
        reasons = Counter(why for todo in self.outstanding for why in todo.values())
        count = reasons.total()
        lines = []
        if kept := len(self.cells) - count:
            of_all = plural(len(self.cells), "variant")
            lines.append(f"{kept} of {of_all} already measured and kept; redo=all measures them again")
        lines += [f"{number} to measure again, {why}" for why, number in reasons.most_common() if why]
        if count:
            workloads = sum(map(bool, self.outstanding))
            lines.append(f"{plural(count, 'variant')} of {plural(workloads, 'workload')}: {self.forecast}")
            if unseen := count - len(self.earlier) - self._absent:
                lines[-1] += f", plus the first compile of {unseen} never measured before"
        return lines


def sweeps_of(asked: Sequence[Requested]) -> list[Sweep]:
    """One sweep for each study that is asked for. Raises UserError where two would write to the same folder."""
    by_study: dict[str, list[Requested]] = {}
    for one in asked:
        by_study.setdefault(one.study, []).append(one)
    sweeps = []
    for jobs in by_study.values():
        if any(one.claim != jobs[0].claim for one in jobs):
            raise UserError("claim cannot be swept; it belongs to the study itself")
        sweeps.append(Sweep.of([one.job for one in jobs], jobs[0].claim))
    for folder, count in Counter(sweep.folder for sweep in sweeps).items():
        if count > 1:
            raise UserError(f"study.name: {count} studies would write to {folder}; leave it out, or start one study")
    return sweeps


def forecast_of(sweeps: Sequence[Sweep]) -> Forecast:
    """How long all of them take."""
    return sum((sweep.forecast for sweep in sweeps), Forecast())


def announce(sweeps: Sequence[Sweep], terminal: Terminal) -> None:
    """Say what each sweep will do and how long all take, and let the terminal know how much comes after each cell."""
    total_s = left_s = forecast_of(sweeps).seconds
    for sweep in sweeps:
        remove_leftovers(sweep.jobs[0].results, sweep.folder)
        for line in sweep.announcement():
            terminal.say(f"{sweep.jobs[0].study}: {line}" if len(sweeps) > 1 else line)
        for job, planned in zip(sweep.jobs, sweep.forecasts, strict=True):
            left_s -= planned.seconds
            terminal.later_s |= {job.path(variant): left_s for variant in job.variants}
    if len(sweeps) > 1:
        terminal.say(f"{len(sweeps)} studies: {Forecast(total_s, forecast_of(sweeps).known)}")


def _prepared(path: Path) -> Record | None:
    """The record of a variant that was at least set up, if there is one."""
    try:
        record = read_head(path)
    except UserError:
        return None
    return record if "set_up_s" in record.metrics else None
