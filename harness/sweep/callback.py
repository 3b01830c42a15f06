"""Hydra's start and end of a run or sweep: plan and check everything first, sum up last.

Hydra turns an exception in a callback into a warning, so these end the process themselves (`sys.exit`).
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from ..config.compose import Overrides, jobs_of, spread
from ..config.validate import Settings
from ..errors import UserError
from ..refusal import told
from ..views.terminal import Terminal
from . import preflight
from .lock import hold
from .run import digest, sum_up
from .sweep import Plan, begin, forecast_of


def sweeps(config_name: str, batch: Sequence[Overrides]) -> list[Plan]:
    """The sweeps that Hydra's jobs stand for, one for each study, with all of their jobs."""
    found: dict[str, list[Settings]] = {}
    for overrides in batch:
        for study, jobs in jobs_of(config_name, overrides).items():
            found.setdefault(study, []).extend(jobs)
    plans = [Plan.of(jobs) for jobs in found.values()]
    for folder, count in Counter(plan.jobs[0].folder for plan in plans).items():
        if count > 1:
            raise UserError(f"study.name: {count} studies would write to {folder}; leave it out, or start one study")
    return plans


class SweepCallback(Callback):
    """Configured in `conf/config.yaml`."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        self._start(config, lambda: [tuple(config.hydra.overrides.task)])

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        swept = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
        self._start(config, lambda: spread(swept + list(config.hydra.overrides.task)))

    def on_run_end(self, config: DictConfig, **kwargs: Any) -> None:
        self._end()

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        self._end()

    def _start(self, config: DictConfig, batch: Callable[[], Sequence[Overrides]]) -> None:
        try:
            self.plans = sweeps(config.hydra.job.config_name, batch())
            jobs = [job for plan in self.plans for job in plan.jobs]
            for lacking in preflight.check(jobs):
                Terminal().say(f"{lacking} (its cells are unsupported; what was measured of it before is kept)")
            self.lock = hold(jobs[0].device.name, Terminal().say)
            begin(self.plans, Terminal().say)
            self.start = time.monotonic()
        except Exception as error:
            sys.exit(told(error))

    def _end(self) -> None:
        try:
            if (planned := forecast_of(self.plans)).seconds:
                took = (time.monotonic() - self.start) / 60
                Terminal().say(f"took {took:.1f} minutes; planned were {planned}")
            code = max([sum_up(plan, Terminal()) for plan in self.plans])
            for line in digest(self.plans):
                Terminal().say(line)
        except Exception as error:
            code = told(error)
        sys.exit(code)
