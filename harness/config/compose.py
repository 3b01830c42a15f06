"""From what Hydra composes to jobs, and from the lines of a study to what Hydra is to compose.

A study's `jobs` are lines, each written as it would be typed: its values are swept, and what the user types replaces
what it says. A line that chooses a study stands for all jobs of that study, which then is a sweep of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ..claims.claim import Claim
from ..errors import UserError
from ..job import Job
from .claim import claim_of
from .job import job_of

Overrides = tuple[str, ...]


class Requested(NamedTuple):
    """One job that a command asks for: what Hydra composes it from, and the study (an override) that it belongs to."""

    overrides: Overrides
    study: str
    job: Job
    claim: Claim | None


def job_from(config: DictConfig) -> Job:
    """The checked job of a composed config. Raises UserError."""
    return job_of(_plain(config))


def requested(
    overrides: Overrides, compose: Callable[[Overrides], DictConfig], parser: OverridesParser
) -> Iterator[Requested]:
    """The jobs that a command asks for, in order. Raises UserError, or what Hydra raises, for any that cannot be.

    Args:
        overrides: what the user typed.
        compose: composes the config of overrides without swept values.
        parser: Hydra's, of overrides.
    """
    for single in combinations(overrides, parser):
        study = _study_of(single)
        config = _plain(compose(single))
        job = job_of(config)  # checks the whole config, its `jobs` too
        if not config["jobs"]:
            yield Requested(single, study, job, _claim(config))
        for line in config["jobs"]:
            merged = _merged(line, single)
            if _study_of(merged) != study:  # it has lines of its own
                yield from requested(merged, compose, parser)
                continue
            for swept in combinations(merged, parser):
                config = _plain(compose(swept))
                yield Requested(swept, study, job_of(config), _claim(config))


def combinations(overrides: Sequence[str], parser: OverridesParser) -> list[Overrides]:
    """Every combination of the swept values, the last varying fastest. Raises UserError for a range of numbers."""
    choices: dict[str, list[str]] = {}
    for override in parser.parse_overrides(list(overrides)):
        key = override.get_key_element()
        if not override.is_sweep_override():
            choices[key] = [str(override.input_line)]
        elif override.is_discrete_sweep():
            choices[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
        else:
            raise UserError(f"{override.input_line}: an interval cannot be swept; list its values, such as 1,2,4")
    return list(product(*choices.values()))


def _merged(line: str, given: Overrides) -> Overrides:
    """What a line says, unless the user says otherwise."""
    by_key = {_key(override): override for override in line.split()}
    starts_a_study = "study" in by_key
    for override in given:
        if not (starts_a_study and _key(override) in ("study", "jobs")):
            by_key[_key(override)] = override
    return tuple(by_key.values())


def _study_of(overrides: Overrides) -> str:
    return next((override for override in overrides if override.startswith("study=")), "")


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


def _claim(config: dict[str, Any]) -> Claim | None:
    return None if config["claim"] is None else claim_of(config["claim"])


def _plain(config: DictConfig) -> dict[str, Any]:
    """The resolved values of everything that is not Hydra's. Raises UserError."""
    try:
        ours = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
        plain = OmegaConf.to_container(ours, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        why = str(error).splitlines()[0]
        raise UserError(f"{error.full_key}: the configuration does not resolve ({why})") from error
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}
