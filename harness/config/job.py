"""Turns a resolved config into a checked job, with its device and threads decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from adapters.choices import CHOICES, Choices

from ..errors import UserError
from ..job import Environment, Framework, Job, Variant
from ..workload import own
from ..workload.any_workload import AnyWorkload
from ..workload.ops import WorkloadError
from ..workload.own import OwnWorkload
from ..workload.workload import Workload
from .device import resolved_device
from .environments import environments_of
from .schema import Config
from .validate import file_name, listed, one_of, validated


def job_of(config: Mapping[str, Any], here: bool = True) -> Job:
    """Build the job that the plain values of a resolved config describe. Raises UserError for the first invalid one.

    `here` tells that it runs on this machine, which must have what it needs.
    """
    settings = validated(Config, config)
    workload = _workload(settings)
    if settings.measure.cache == "cold" and (settings.explain or settings.measure.energy):
        other = "explain" if settings.explain else "measure.energy"
        raise UserError(f"measure.cache=cold: {other}=true runs calls one right after the other; choose one of the two")
    return Job(
        study=settings.study.name,
        sweep=settings.sweep,
        workload=workload,
        device=resolved_device(settings.device, workload, here),
        variants=_able(
            workload,
            _variants(
                settings.variants,
                settings.frameworks,
                _choices(settings.choices),
                environments_of(settings.environments or {}),
            ),
        ),
        measure=settings.measure,
        tracking=settings.tracking,
        frameworks=settings.frameworks,
        results=Path(settings.results),
        redo=settings.redo,
        explain=settings.explain,
    )


def _workload(settings: Config) -> AnyWorkload:
    """Build the workload of the chosen model. Raises UserError if its sizes are not valid."""
    name = str(settings.model.get("name"))
    sizes = {str(key): value for key, value in settings.model.items() if key != "name"}
    rest: dict[str, Any] = {
        "precision": settings.precision.name,
        "seed": settings.seed,
        "gradients": settings.gradients,
        "frozen": settings.frozen or "",
    }
    try:
        if name == own.NAME and not own.is_of_catalogue(sizes):
            return OwnWorkload.of(sizes, **rest)
        return Workload.of(name, sizes, **rest)
    except WorkloadError as error:
        raise UserError(f"model={name}: {error}") from error


def _able(workload: AnyWorkload, variants: tuple[Variant, ...]) -> tuple[Variant, ...]:
    """Leave out the frameworks that have no function to build a user's own model. Raises UserError if none has."""
    if not isinstance(workload, OwnWorkload):
        return variants
    able = tuple(variant for variant in variants if workload.factory(variant.framework))
    if not able:
        given = listed([f"model.{library}" for library in workload.factories])
        raise UserError(f"variants: none of them can run {given}; choose others, such as variants=all")
    return able


def _choices(chosen: Mapping[str, Any]) -> list[Choices]:
    """List every combination of the chosen values; a single value need not be in a list. Raises UserError."""
    lists = {name: value if isinstance(value, list) else [value] for name, value in chosen.items()}
    for name, values in lists.items():
        one_of("choices", name, tuple(CHOICES))
        if not values:
            raise UserError(f"choices.{name}=[]: must have at least one of {listed(CHOICES[name])}")
        for value in values:
            one_of(f"choices.{name}", value, CHOICES[name])
    return [Choices(**dict(zip(lists, values, strict=True))) for values in product(*lists.values())]


def _variants(
    chosen: Mapping[str, Any],
    frameworks: Mapping[str, Framework],
    choices: Sequence[Choices],
    environments: Sequence[Environment],
) -> tuple[Variant, ...]:
    """List the chosen executions of each framework, with each combination of choices, in each environment.

    Raises UserError.
    """
    variants: list[Variant] = []
    for framework, executions in chosen.items():
        one_of("variants", framework, tuple(frameworks))
        if not isinstance(executions, list):
            raise UserError(f"variants.{framework}={executions!r}: must be a list, such as [eager]")
        for execution in executions:
            one_of(f"variants.{framework}", execution, frameworks[framework].executions)
            for name in (framework, execution):
                _check_file_name(f"variants.{framework}", name)
            variants += [Variant(framework, execution, *each) for each in product(choices, environments)]
    if not variants:
        raise UserError("variants: nothing to measure; choose at least one, such as variants=all")
    if len(set(variants)) < len(variants):
        raise UserError(f"variants and choices: {', '.join(map(str, variants))} names one of them twice")
    return tuple(variants)


def _check_file_name(key: str, name: str) -> None:
    """Raise UserError unless the name can be part of a file name."""
    try:
        file_name(name)
    except ValueError as error:
        raise UserError(f"{key}={name!r}: {error}") from error
