"""Entry point: `python -m harness model=mlp device=cpu`, or `twofold`. Each Hydra job measures one workload."""

from __future__ import annotations

import os
import signal
import sys

import hydra
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import ConfigCompositionException
from omegaconf import DictConfig

from .config.expand import as_typed, combinations, job_from, mistaken_key
from .errors import INTERRUPTED, report
from .paths import ROOT
from .sweep.lock import device_lock
from .sweep.run import run_job
from .views.terminal import TERMINAL


@hydra.main(version_base="1.3", config_path=str(ROOT / "conf"), config_name="config")
def main(config: DictConfig) -> None:
    """Measure one job. Hydra's launcher calls this for each job that `StudySweeper` has planned and checked."""
    job = job_from(config)
    with device_lock(job.device.name, TERMINAL.say):
        run_job(job, TERMINAL)


def _interrupt(*_: object) -> None:
    """On the first Ctrl-C stop the sweep cleanly; a second one quits immediately. Workers die with this process."""
    signal.signal(signal.SIGINT, _end_immediately)
    raise KeyboardInterrupt


def _end_immediately(*_: object) -> None:
    os._exit(INTERRUPTED)


def command_line() -> None:
    """Run `main`, and report however it ends in one sentence and an exit code (`--help` lists the codes)."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # so that Hydra raises errors instead of printing them and exiting
    signal.signal(signal.SIGINT, _interrupt)
    sys.argv[1:] = map(as_typed, sys.argv[1:])
    sys.path.append(str(ROOT / "harness" / "plugins"))  # where Hydra finds the sweeper
    try:
        main()
    except Exception as error:
        if not _interrupted():
            sys.exit(report(_explained(error)))
    except (KeyboardInterrupt, SystemExit):
        if not _interrupted():
            raise
    if _interrupted():
        print("twofold: interrupted; finished variants are kept, and the same command goes on", file=sys.stderr)
        sys.exit(INTERRUPTED)


def _explained(error: Exception) -> Exception:
    """Return the error to report: Hydra composes the first config by itself, and advises to append a mistaken key."""
    if not isinstance(error, ConfigCompositionException):
        return error
    typed = [argument for argument in sys.argv[1:] if "=" in argument and not argument.startswith("-")]
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
        overrides = combinations(typed, parser)[0]
        try:
            return mistaken_key(error, overrides, lambda others: compose("config", overrides=list(others)))
        except Exception as another:  # a second mistake beside the first
            return another


def _interrupted() -> bool:
    """Return True after a Ctrl-C. Any later error is a consequence of it, and is not reported as the cause."""
    return signal.getsignal(signal.SIGINT) is _end_immediately


if __name__ == "__main__":
    command_line()
