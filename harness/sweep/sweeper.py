"""The Hydra sweeper: plans and checks all jobs, launches those with outstanding variants, and sums up."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from ..claims import text as claim_text
from ..cluster.queue import queue_of
from ..config.compose import Overrides
from ..config.expand import Requested, requested
from ..views.plural import duration
from ..views.terminal import TERMINAL
from . import preflight
from .lock import device_lock
from .on_cluster import measure_elsewhere, sole_use
from .run import sum_up
from .sweep import Sweep, announce, forecast_of, sweeps_of

_HERE = "basic"  # Hydra's launcher that runs jobs in this process, one at a time


class StudySweeper(Sweeper):
    """Runs whole sweeps; chosen in `conf/hydra/sweeper/study.yaml`. Raises SystemExit for an exit code other than 0."""

    config: DictConfig

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.config, self.loader = config, hydra_context.config_loader
        settings = OmegaConf.to_container(config.hydra.launcher, resolve=True)
        assert isinstance(settings, dict)
        self.queue = queue_of({str(key): value for key, value in settings.items()})
        self.launcher: Launcher = Plugins.instance().instantiate_launcher(hydra_context, task_function, config)

    def sweep(self, arguments: list[str]) -> None:
        """Measure the outstanding variants of everything that the command requests."""
        parser = OverridesParser.create(config_loader=self.loader)
        elsewhere = self.queue is not None
        requests = list(requested(tuple(arguments), self._compose, parser, here=not elsewhere))
        sweeps = sweeps_of(requests, here=not elsewhere)
        for absence in preflight.check([request.job for request in requests], here=not elsewhere):
            TERMINAL.say(f"{absence} (its cells are unsupported; what was measured of it before is kept)")
        # With another launcher, each job locks the device that it runs on.
        here = self.config.hydra.runtime.choices["hydra/launcher"] == _HERE
        lock = device_lock(requests[0].job.device.name, TERMINAL.say) if here else nullcontext()
        lost: Mapping[str, str] = {}
        with sole_use(self.queue, sweeps, TERMINAL.say) if self.queue else lock:
            announce(sweeps, TERMINAL)
            start = time.monotonic()
            if self.queue:
                folder = str(self.config.hydra.sweep.dir)
                lost = measure_elsewhere(self.queue, sweeps, requests, folder, TERMINAL)
            else:
                with TERMINAL.progress.running(forecast_of(sweeps).seconds):
                    self._launch(sweeps, requests, here)
            code = self._sum_up(sweeps, time.monotonic() - start, lost)
        if code:
            raise SystemExit(code)

    def _compose(self, overrides: Overrides) -> DictConfig:
        return self.loader.load_sweep_config(self.config, list(overrides))

    def _launch(self, sweeps: Sequence[Sweep], requests: Sequence[Requested], here: bool) -> None:
        """Launch the jobs with outstanding variants, and those to be explained.

        They run one after the other if they run `here`, in this process.

        Raises any exception of a job; if they run here, before the next job starts.
        """
        jobs = [(job, todo) for sweep in sweeps for job, todo in zip(sweep.jobs, sweep.outstanding, strict=True)]
        outstanding = {id(job) for job, todo in jobs if todo or job.explain}
        overrides = [request.overrides for request in requests if id(request.job) in outstanding]
        for number, batch in enumerate([[of_job] for of_job in overrides] if here else [overrides]):
            for finished in self.launcher.launch(batch, initial_job_idx=number):
                _ = finished.return_value  # raises the job's exception

    def _sum_up(self, sweeps: Sequence[Sweep], seconds: float, lost: Mapping[str, str]) -> int:
        """Show the summary of every sweep. Returns the exit code."""
        if not self.queue and (planned := forecast_of(sweeps)).seconds:
            TERMINAL.say(f"took {duration(seconds)}; planned were about {duration(planned.seconds)}")
        endings = [sum_up(sweep, TERMINAL, lost) for sweep in sweeps]
        verdicts = [ending.verdict for ending in endings if ending.verdict]
        if verdicts and len(sweeps) > 1:
            TERMINAL.say("")
            for verdict in verdicts:
                TERMINAL.say(claim_text.one_line(verdict))
        return max(ending.code for ending in endings)
