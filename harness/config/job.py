"""From a resolved config to its job: checked, and with the device and threads decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from adapters.base import CHOICES, Choices

from ..errors import UserError
from ..job import Framework, Job, Variant
from ..workload.ops import WorkloadError
from ..workload.workload import Workload
from .device import present
from .schema import Config
from .validate import file_name, listed, one_of, validated


def job_of(config: Mapping[str, Any]) -> Job:
    """The job that plain, resolved values describe. Raises UserError for the first that cannot be."""
    given = validated(Config, config)
    workload = _workload(given)
    return Job(
        study=given.study.name,
        sweep=given.sweep,
        workload=workload,
        device=present(given.device, workload),
        variants=_variants(given.variants, given.frameworks, _choices(given.choices)),
        measure=given.measure,
        tracking=given.tracking,
        frameworks=given.frameworks,
        results=Path(given.results),
        redo=given.redo,
    )


def _workload(given: Config) -> Workload:
    name = str(given.model.get("name"))
    sizes = {str(key): value for key, value in given.model.items() if key != "name"}
    try:
        return Workload.of(name, sizes, precision=given.precision.name, seed=given.seed, gradients=given.gradients)
    except WorkloadError as error:
        raise UserError(f"model={name}: {error}") from error


def _choices(given: Mapping[str, Any]) -> list[Choices]:
    """Every combination of the values given for each choice; one value may stand without a list."""
    lists = {name: value if isinstance(value, list) else [value] for name, value in given.items()}
    for name, values in lists.items():
        one_of("choices", name, tuple(CHOICES))
        if not values:
            raise UserError(f"choices.{name}=[]: must have at least one of {listed(CHOICES[name])}")
        for value in values:
            one_of(f"choices.{name}", value, CHOICES[name])
    return [Choices(**dict(zip(lists, values, strict=True))) for values in product(*lists.values())]


def _variants(
    chosen: Mapping[str, Any], frameworks: Mapping[str, Framework], choices: Sequence[Choices]
) -> tuple[Variant, ...]:
    variants: list[Variant] = []
    for framework, executions in chosen.items():
        one_of("variants", framework, tuple(frameworks))
        if not isinstance(executions, list):
            raise UserError(f"variants.{framework}={executions!r}: must be a list, such as [eager]")
        for execution in executions:
            one_of(f"variants.{framework}", execution, frameworks[framework].executions)
            for name in (framework, execution):
                _check_file_name(f"variants.{framework}", name)
            variants += [Variant(framework, execution, choice) for choice in choices]
    if not variants:
        raise UserError("variants: nothing to measure; choose at least one, such as variants=all")
    if len(set(variants)) < len(variants):
        raise UserError(f"variants and choices: {', '.join(map(str, variants))} names one of them twice")
    return tuple(variants)


def _check_file_name(key: str, name: str) -> None:
    try:
        file_name(name)
    except ValueError as error:
        raise UserError(f"{key}={name!r}: {error}") from error
