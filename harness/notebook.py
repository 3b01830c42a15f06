"""Measures from Python, as a command does: `from harness import measure` for notebooks and scripts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser

from .config.expand import as_typed, requested
from .errors import UserError
from .paths import ROOT
from .records.record import Record, read
from .sweep import preflight
from .sweep.lock import device_lock
from .sweep.pool_intervals import pool_intervals
from .sweep.run import run_job
from .sweep.sweep import announce, sweeps_of
from .views.table import Table, markdown
from .views.terminal import TERMINAL


@dataclass(frozen=True)
class Measurements:
    """What was measured: the records, and the report that a sweep shows. A notebook displays it as a table."""

    records: tuple[Record, ...]

    @property
    def report(self) -> str:
        """The answer, the table and the remarks below it, as Markdown."""
        return markdown(self.records)

    @property
    def answer(self) -> str:
        """The sentence that answers the question for this machine."""
        return Table.of(self.records).answer

    def _repr_markdown_(self) -> str:
        return self.report


def measure(*overrides: str, **settings: Any) -> Measurements:
    """Measure a workload in every variant asked for, and keep its records as a command would.

    Args:
        overrides: as on the command line: "model.depth=2,4", "device=cpu", "choices.optimizer=[adam]".
        settings: the same for keys without a dot: model="mlp", device="cpu".

    Returns:
        What was measured, in earlier runs too where nothing has changed.

    Raises:
        UserError: something cannot be measured as it is asked for; Hydra's own exceptions for what cannot be parsed.
    """
    asked = (*(f"{key}={value}" for key, value in settings.items()), *map(as_typed, overrides))
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
        requests = list(requested(asked, lambda single: compose("config", overrides=list(single)), parser))
    sweeps = sweeps_of(requests)
    for absence in preflight.check([request.job for request in requests]):
        TERMINAL.say(f"{absence} (its cells are unsupported; what was measured of it before is kept)")
    with device_lock(requests[0].job.device.name, TERMINAL.say):
        announce(sweeps, TERMINAL)
        for request in requests:
            run_job(request.job, TERMINAL)
        records = []
        for sweep in sweeps:
            paths = [job.path(variant) for job in sweep.jobs for variant in job.variants]
            records += pool_intervals(_records(paths), sweep.jobs[0].results, sweep.folder)
    return Measurements(tuple(records))


def _records(paths: Sequence[Any]) -> list[Record]:
    """Read what was measured. Raises UserError if a record is missing."""
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise UserError(f"{missing[0]}: was planned and has no record")
    return [read(path) for path in paths]
