"""Entry point: `python -m harness model=mlp device=cpu`; `-m` sweeps. One Hydra job is one workload, or a study's."""

from __future__ import annotations

import os
import signal
import sys

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from .config.compose import jobs_of
from .refusal import told
from .sweep.run import run_job
from .views.terminal import Terminal

INTERRUPTED = 130  # the exit code that a shell gives to a command ended by Ctrl-C


@hydra.main(version_base="1.3", config_path="../conf", config_name="config")
def main(config: DictConfig) -> None:
    """Measure what one Hydra job stands for. `SweepCallback` has checked all of them before the first starts."""
    hydra_job = HydraConfig.get()
    try:
        for jobs in jobs_of(hydra_job.job.config_name, tuple(hydra_job.overrides.task)).values():
            for job in jobs:
                run_job(job, Terminal())
    except Exception as error:  # Hydra would keep it to itself, and the callback end the process
        sys.exit(told(error))


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
    try:
        main()
    except Exception as error:
        if not _interrupted():
            sys.exit(told(error))
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
