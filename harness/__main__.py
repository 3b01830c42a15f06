"""Entry point: `python -m harness model=mlp device=cpu`; `-m` sweeps. One Hydra job is one workload."""

from __future__ import annotations

import sys

import hydra
from omegaconf import DictConfig

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


if __name__ == "__main__":
    main()
