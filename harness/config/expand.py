"""Turns a command into jobs: expands the lines of its study and the swept values, and lets Hydra compose each.

A study's `jobs` are lines of overrides, as one would type them. Their values are swept, and the user's own overrides
replace theirs. A line that chooses another study stands for all jobs of that study, which is then a sweep of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import ConfigCompositionException
from omegaconf import DictConfig

from ..claims.claim import Claim
from ..errors import UserError
from ..job import Job
from .claim import claim_of
from .compose import Composer, Overrides, resolved
from .job import job_of
from .unknown_key import no_such_key


class Requested(NamedTuple):
    """One job that a command requests, the overrides from which Hydra composes it, and the override of its study."""

    overrides: Overrides
    study: str
    job: Job
    claim: Claim | None


def as_typed(override: str) -> str:
    """An override as Hydra takes it. The arguments of a user's own model are keys that no config can have."""
    return f"++{override}" if override.startswith("model.arguments.") else override


def job_from(config: DictConfig) -> Job:
    """Build the checked job of a composed config. Raises UserError."""
    return job_of(resolved(config)[0])


def requested(
    overrides: Overrides, compose: Callable[[Overrides], DictConfig], parser: OverridesParser, here: bool = True
) -> Iterator[Requested]:
    """Expand a command into the jobs that it requests, in order.

    Args:
        overrides: as the user typed them.
        compose: composes the config of overrides that have no swept values.
        parser: Hydra's parser of overrides.
        here: whether the jobs run on this machine.

    Raises:
        UserError: a job is not valid; Hydra raises its own exceptions for overrides and configs.
    """
    yield from _requested(overrides, Composer(compose, parser), here)


def _requested(overrides: Overrides, composer: Composer, here: bool) -> Iterator[Requested]:
    """Expand a command into the jobs that it requests, as `requested` does."""
    for single in _combinations(overrides, composer.parse):
        study = _study_of(single)
        config = _composed(single, composer)
        job = job_of(config, here)  # this checks the whole config, including its `jobs`
        if not config["jobs"]:
            yield Requested(single, study, job, _claim(config))
        for line in config["jobs"]:
            merged = _merged(line, single)
            if _study_of(merged) != study:  # that study has lines of its own
                yield from _requested(merged, composer, here)
                continue
            for combination in _combinations(merged, composer.parse):
                config = _composed(combination, composer)
                yield Requested(combination, study, job_of(config, here), _claim(config))


def _composed(overrides: Overrides, composer: Composer) -> dict[str, Any]:
    """Compose plain values. Raises UserError for a key that does not exist, where Hydra advises to append it."""
    try:
        return composer.plain(overrides)
    except ConfigCompositionException as error:
        raise mistaken_key(error, overrides, composer.compose) from error


def mistaken_key(error: Exception, overrides: Overrides, compose: Callable[[Overrides], DictConfig]) -> Exception:
    """Return the error to raise in place of Hydra's for these overrides: a UserError if one has a key that is none."""
    unknown = re.match(r"Could not override '(?!hydra\b)([^'@]+)'", str(error))
    typed = [override for override in overrides if unknown and _key(override) == unknown[1]]
    if unknown is None or not typed:
        return error
    others = tuple(override for override in overrides if override not in typed)
    try:
        config, _ = resolved(compose(others))
    except ConfigCompositionException as another:
        return mistaken_key(another, others, compose)
    return UserError(no_such_key(typed[0], unknown[1], config))


def combinations(overrides: Sequence[str], parser: OverridesParser) -> list[Overrides]:
    """List every combination of the swept values, the last varying fastest. Raises UserError for a numeric interval."""
    return _combinations(overrides, lambda override: parser.parse_overrides([override])[0])


def _combinations(overrides: Sequence[str], parse: Callable[[str], Override]) -> list[Overrides]:
    """List combinations, as `combinations` does."""
    choices: dict[str, list[str]] = {}
    for override in map(parse, overrides):
        key = override.get_key_element()
        if not override.is_sweep_override():
            choices[key] = [str(override.input_line)]
        elif override.is_discrete_sweep():
            choices[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
        else:
            raise UserError(f"{override.input_line}: an interval cannot be swept; list its values, such as 1,2,4")
    return list(product(*choices.values()))


def _merged(line: str, overrides: Overrides) -> Overrides:
    """Merge a study's line with the user's overrides, which take precedence."""
    by_key = {_key(override): as_typed(override) for override in line.split()}
    starts_a_study = "study" in by_key
    for override in overrides:
        if not (starts_a_study and _key(override) in ("study", "jobs")):
            by_key[_key(override)] = override
    return tuple(by_key.values())


def _study_of(overrides: Overrides) -> str:
    """Return the override that chooses the study; empty if there is none."""
    return next((override for override in overrides if override.startswith("study=")), "")


def _key(override: str) -> str:
    """Return the key of an override, such as `measure.trials`."""
    return override.partition("=")[0].lstrip("+~")


def _claim(config: dict[str, Any]) -> Claim | None:
    """Build the claim of a config's study; None if it has none. Raises UserError."""
    return None if config["claim"] is None else claim_of(config["claim"])
