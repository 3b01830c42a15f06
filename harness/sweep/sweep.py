"""Plans a sweep before anything is measured: its jobs, their outstanding variants, and how long those take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from ..claims.claim import Claim
from ..cluster.node import agreed_machine
from ..config.expand import Requested
from ..errors import UserError
from ..explain.forecast import explaining_s
from ..job import Job, Variant
from ..measure.machine.description import describe
from ..paths import remove_leftovers
from ..records.record import Record, read_head
from ..views.labels import labels, shared_choices, variant_name
from ..views.plural import plural
from ..views.terminal import Terminal
from .forecast import Forecast, forecast
from .interpreters import lacking
from .outstanding import outstanding
from .provenance import version


@dataclass(frozen=True)
class Sweep:
    """The jobs of one sweep, in order, and the claim of their study. All records are in one folder.

    `here` tells that this machine measures them, not the nodes of a cluster.
    """

    jobs: tuple[Job, ...]
    claim: Claim | None = None
    here: bool = True

    @classmethod
    def of(cls, jobs: Sequence[Job], claim: Claim | None = None, here: bool = True) -> Sweep:
        """Make a sweep of jobs. Raises UserError if they do not belong to one sweep, or share a cell."""
        first = jobs[0]
        for job in jobs:
            if any(getattr(job, name) != getattr(first, name) for name in ("folder", "tracking", "redo")):
                raise UserError(
                    "study.name, claim, sweep, results, tracking and redo cannot be swept; "
                    "they belong to the sweep itself"
                )
        sweep = cls(tuple(jobs), claim, here)
        if duplicates := sorted(cell for cell, count in Counter(sweep.cells).items() if count > 1):
            raise UserError(
                f"{duplicates[0]} would be measured twice in one sweep; the swept values give the same work"
            )
        return sweep

    @property
    def folder(self) -> Path:
        """The folder of the sweep's records."""
        return self.jobs[0].folder

    @cached_property
    def cells(self) -> list[str]:
        """The cells of all variants of all workloads, job by job."""
        return [job.cell(variant) for job in self.jobs for variant in job.variants]

    @property
    def names(self) -> dict[Path, tuple[str, str]]:
        """What each cell is called on the terminal, its workload and its variant, by record file."""
        shared = shared_choices([variant for job in self.jobs for variant in job.variants])
        workloads = zip(self.jobs, labels(self.jobs), strict=True)
        return {job.path(v): (label, variant_name(v, shared)) for job, label in workloads for v in job.variants}

    @cached_property
    def outstanding(self) -> list[dict[Variant, str]]:
        """For each job, the variants still to be measured, mapped to why an existing record was discarded ("" if none).

        Read this only while holding the device lock. Raises UserError for a record by a newer version of the program.
        """
        described = self.machine
        return [outstanding(job, described, self.here) for job in self.jobs]

    @property
    def machine(self) -> dict[str, Any]:
        """The machine that measures, as `describe` returns it; empty if that is a cluster's and none has begun."""
        return describe() if self.here else agreed_machine(self.folder)

    @cached_property
    def earlier(self) -> dict[str, list[Record]]:
        """For each outstanding cell, its records in any sweep, oldest first, whose program was at least set up."""
        folders = sorted(self.jobs[0].results.glob("records/*/*"))
        records_by_cell = {}
        for job, todo in zip(self.jobs, self.outstanding, strict=True):
            for cell in map(job.cell, todo):
                if records := [record for folder in folders if (record := _prepared(folder / f"{cell}.json"))]:
                    records_by_cell[cell] = sorted(records, key=lambda record: record.created)
        return records_by_cell

    @cached_property
    def forecasts(self) -> list[Forecast]:
        """The forecast of each job, of its explanations too if it is to be explained."""
        return [
            forecast(job, {v: self.earlier.get(job.cell(v), []) for v in todo if not _is_lacking(job, v)})
            + Forecast(self._explaining_s(job))
            for job, todo in zip(self.jobs, self.outstanding, strict=True)
        ]

    def _explaining_s(self, job: Job) -> float:
        """Estimate the seconds that explaining a job takes; 0 if it is not to be explained."""
        variants = [variant for variant in job.variants if job.explain and not _is_lacking(job, variant)]
        return explaining_s(job, variants, partial(version, job))

    @property
    def _absent(self) -> int:
        """The number of outstanding cells whose framework is not installed."""
        todo = zip(self.jobs, self.outstanding, strict=True)
        return sum(_is_lacking(job, variant) for job, variants in todo for variant in variants)

    @property
    def forecast(self) -> Forecast:
        """The forecast of all jobs together."""
        return sum(self.forecasts, Forecast())

    def announcement(self) -> list[str]:
        """Say how many variants are kept, which are measured again and why, and how long it takes, in a line each."""
        reasons = Counter(why for todo in self.outstanding for why in todo.values())
        count = reasons.total()
        lines = []
        if kept := len(self.cells) - count:
            of_all = plural(len(self.cells), "variant")
            lines.append(f"{kept} of {of_all} already measured and kept; redo=all measures them again")
        again = [(number, "each " * (number > 1) + why) for why, number in reasons.most_common() if why]
        lines += [f"{number} to measure again, {why}" for number, why in again]
        if count:
            workloads = sum(map(bool, self.outstanding))
            lines.append(f"{plural(count, 'variant')} of {plural(workloads, 'workload')}: {self.forecast}")
            if unseen := count - len(self.earlier) - self._absent:
                lines[-1] += f", and the first compile of {unseen} never measured before"
        elif self.forecast.seconds:
            lines.append(f"to explain them takes {self.forecast}")
        return lines


def _is_lacking(job: Job, variant: Variant) -> bool:
    """Whether the framework of a variant is not installed."""
    return bool(lacking(job, variant.framework, variant.environment))


def sweeps_of(requests: Sequence[Requested], here: bool = True) -> list[Sweep]:
    """Make one sweep for each study requested. Raises UserError if two would write to the same folder."""
    by_study: dict[str, list[Requested]] = {}
    for request in requests:
        by_study.setdefault(request.study, []).append(request)
    sweeps = []
    for of_study in by_study.values():
        claim = of_study[0].claim
        if any(request.claim != claim for request in of_study):
            raise UserError("claim cannot be swept; it belongs to the study itself")
        sweeps.append(Sweep.of([request.job for request in of_study], claim, here))
    for folder, count in Counter(sweep.folder for sweep in sweeps).items():
        if count > 1:
            raise UserError(f"study.name: {count} studies would write to {folder}; leave it out, or start one study")
    return sweeps


def forecast_of(sweeps: Sequence[Sweep]) -> Forecast:
    """Forecast how long all sweeps take together."""
    return sum((sweep.forecast for sweep in sweeps), Forecast())


def announce(sweeps: Sequence[Sweep], terminal: Terminal) -> None:
    """Say what each sweep will measure and how long all take; tell the terminal each cell's name and the time after it.

    Files left by processes that were killed are removed.
    """
    left_s = forecast_of(sweeps).seconds
    for sweep in sweeps:
        terminal.plan(sweep.names)
        remove_leftovers(sweep.jobs[0].results, sweep.folder)
        for line in sweep.announcement():
            terminal.say(f"{sweep.jobs[0].study}: {line}" if len(sweeps) > 1 else line)
        for job, job_forecast in zip(sweep.jobs, sweep.forecasts, strict=True):
            left_s -= job_forecast.seconds
            terminal.later_s |= {job.path(variant): left_s for variant in job.variants}
    if len(sweeps) > 1:
        terminal.say(f"{len(sweeps)} studies: {forecast_of(sweeps)}")


def _prepared(path: Path) -> Record | None:
    """Read a record without its samples; None if there is none, or its program was not even set up."""
    try:
        record = read_head(path)
    except UserError:
        return None
    return record if "set_up_s" in record.metrics else None
