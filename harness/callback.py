"""Hydra's start and end of a run or sweep: plan and check everything first, sum up last.

Hydra turns an exception in a callback into a warning, so these end the process themselves (`sys.exit`).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from hydra import compose
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from . import preflight
from .config import Settings, settings
from .errors import UserError
from .findings.console import Terminal
from .lock import hold
from .plan import Plan
from .refusal import told
from .sweep import sum_up


def job_settings(config: DictConfig) -> Settings:
    """The checked job of one composed config. Raises UserError."""
    try:
        ours = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
        plain = OmegaConf.to_container(ours, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        why = str(error).splitlines()[0]
        raise UserError(f"{error.full_key}: the configuration does not resolve ({why})") from error
    assert isinstance(plain, dict)
    return preflight.resolve(settings({str(key): value for key, value in plain.items()}))


def composed_jobs(config: DictConfig) -> list[Settings]:
    """Every job of the sweep that `config` starts, composed as Hydra's own sweeper will compose it."""
    given = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    parsed = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader()).parse_overrides(
        given + list(config.hydra.overrides.task)
    )
    (batch,) = BasicSweeper.split_arguments(parsed, max_batch_size=None)
    return [job_settings(compose(config.hydra.job.config_name, overrides=list(job))) for job in batch]


class SweepCallback(Callback):
    """Configured in `conf/config.yaml`."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        self._start(lambda: [job_settings(config)])

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        self._start(lambda: composed_jobs(config))

    def on_run_end(self, config: DictConfig, **kwargs: Any) -> None:
        self._end()

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        self._end()

    def _start(self, jobs: Callable[[], list[Settings]]) -> None:
        try:
            found = jobs()
            self.plan = Plan.of(found)
            for job in {(job.variants, job.device): job for job in found}.values():
                preflight.check(job)
            self.lock = hold(found[0].device.name, Terminal().say)
            self.plan.begin()
            for line in self.plan.announcement():
                Terminal().say(line)
            self.start = time.monotonic()
        except Exception as error:
            sys.exit(told(error))

    def _end(self) -> None:
        try:
            if planned := self.plan.seconds:
                took = (time.monotonic() - self.start) / 60
                Terminal().say(f"took {took:.1f} minutes; planned were at most {planned / 60:.1f}")
            code = sum_up(self.plan, Terminal())
        except Exception as error:
            code = told(error)
        sys.exit(code)
