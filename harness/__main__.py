"""Entry point: `python -m harness model=mlp device=cpu`; `-m` sweeps. One Hydra job is one workload."""

from __future__ import annotations

import os
import sys
import traceback

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from .callback import job_settings
from .errors import UserError
from .findings.console import Terminal
from .sweep import run_job


@hydra.main(version_base="1.3", config_path="../conf", config_name="config")
def main(config: DictConfig) -> None:
    """Measure one workload. `SweepCallback` has checked all of them before the first starts."""
    try:
        run_job(job_settings(config), Terminal())
    except UserError as error:
        print(f"twofold: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("twofold: interrupted; the records of finished variants are kept", file=sys.stderr)
        sys.exit(130)
    except Exception:  # a bug; Hydra would keep it to itself, and the callback end the process
        traceback.print_exc()
        sys.exit(3)


def command_line() -> None:
    """`main`, with what Hydra itself refuses told without its traceback."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # it raises then, instead of printing and ending the process
    try:
        main()
    except (HydraException, OmegaConfBaseException) as error:
        refusal = str(error)
    except ValueError as error:
        if not str(error).startswith("Config group override"):  # as in `device=null`
            raise
        refusal = f"{error}; choose an option of each group, or leave it out"
    else:
        return
    print(f"twofold: {refusal}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    command_line()
