"""Entry point: `python -m harness model=mlp device=cpu`, or as `twofold`. Hydra's jobs are one workload each."""

from __future__ import annotations

import os
import signal
import sys

import hydra
from omegaconf import DictConfig

from .config.compose import job_from
from .errors import report
from .paths import ROOT
from .sweep.lock import device_lock
from .sweep.run import run_job
from .views.terminal import TERMINAL

INTERRUPTED = 130  # the exit code that a shell gives to a command ended by Ctrl-C


@hydra.main(version_base="1.3", config_path=str(ROOT / "conf"), config_name="config")
def main(config: DictConfig) -> None:
    """Measure one job. Hydra's launcher calls this for each job that `StudySweeper` has planned and checked."""
    job = job_from(config)
    with device_lock(job.device.name, TERMINAL.say):
        run_job(job, TERMINAL)


def _interrupt(*_: object) -> None:
    """The first Ctrl-C ends the sweep in order, the second immediately; workers die with this process."""
    signal.signal(signal.SIGINT, _end_immediately)
    raise KeyboardInterrupt


def _end_immediately(*_: object) -> None:
    os._exit(INTERRUPTED)


def command_line() -> None:
    """`main`, with every end told in a sentence."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # it raises then, instead of printing and ending the process
    signal.signal(signal.SIGINT, _interrupt)
    sys.path.append(str(ROOT / "harness" / "plugins"))  # where Hydra finds the sweeper
    try:
        main()
    except Exception as error:
        if not _interrupted():
            sys.exit(report(error))
    except (KeyboardInterrupt, SystemExit):
        if not _interrupted():
            raise
    if _interrupted():
        print("twofold: interrupted; finished variants are kept, and the same command goes on", file=sys.stderr)
        sys.exit(INTERRUPTED)


def _interrupted() -> bool:
    """Whether there was a Ctrl-C. What else goes wrong after it follows from it, and is not how the program ended."""
    return signal.getsignal(signal.SIGINT) is _end_immediately


if __name__ == "__main__":
    command_line()
