"""From what a user types to checked jobs: Hydra composes, `config.py` checks, a study's `jobs` are spread out.

A line of `jobs` is what one types after `-m`: its values are swept, and what the user gives stands instead of it. A
line that chooses a study starts that study's jobs, in a sweep of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from hydra import compose
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ..errors import UserError
from ..sweep import preflight
from .validate import Settings, settings

Overrides = tuple[str, ...]


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


def spread(overrides: Sequence[str]) -> list[Overrides]:
    """Every combination of the swept values, as Hydra's own sweeper makes them."""
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    (batch,) = BasicSweeper.split_arguments(parser.parse_overrides(list(overrides)), max_batch_size=None)
    return [tuple(job) for job in batch]


def jobs_of(config_name: str | None, overrides: Overrides) -> dict[str, list[Settings]]:
    """The jobs that one Hydra job stands for: itself, or those of its study; by the study they belong to."""
    found: dict[str, list[Settings]] = {}
    for own in _lines(config_name, overrides):
        study = next((override for override in own if override.startswith("study=")), "")
        started = study and study not in overrides
        for line in _lines(config_name, own) if started else [own]:
            job, _ = _composed(config_name, line)
            found.setdefault(study, []).append(job)
    return found


def _lines(config_name: str | None, overrides: Overrides) -> list[Overrides]:
    """The overrides of each job that a config's `jobs` ask for; those given alone where it asks for none."""
    _, lines = _composed(config_name, overrides)
    found = []
    for line in lines:
        asked = {_key(override): override for override in line.split()}
        given = {_key(override): override for override in overrides}
        if "study" in asked:  # which has its own
            given = {key: override for key, override in given.items() if key not in ("study", "jobs")}
        found += spread(list((asked | given).values()))
    return found or [overrides]


@cache
def _composed(config_name: str | None, overrides: Overrides) -> tuple[Settings, tuple[str, ...]]:
    """The checked job of a config, and its `jobs`. Hydra takes a tenth of a second: once for each is enough."""
    config = compose(config_name, overrides=list(overrides))
    job = job_settings(config)  # its mistakes are told as such, and `jobs` are texts from here on
    return job, tuple(config.jobs)


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")
