"""The typed schema of everything in `conf/`, and the one validation pass over a resolved config."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from .errors import UserError
from .workload.ops import WorkloadError
from .workload.workload import Workload

PRECISIONS = ("fp32", "tf32", "bf16")
DEVICES = ("auto", "cpu", "cuda")

T = TypeVar("T")


@dataclass(frozen=True)
class Variant:
    """One way to run a workload: a framework and one of its executions."""

    framework: str
    execution: str

    def __str__(self) -> str:
        return f"{self.framework}-{self.execution}"


@dataclass(frozen=True)
class Device:
    """Where to run. `threads`: CPU threads for each framework; None for every CPU this process may use."""

    name: str
    threads: int | None


@dataclass(frozen=True)
class Measure:
    """How long and how often to measure; the comments stand in `conf/measure/`."""

    name: str
    trials: int
    target: float
    budget_s: float
    warm_s: float
    deadline_s: float


@dataclass(frozen=True)
class Tracking:
    """Address of MLflow; None to keep records only."""

    uri: str | None


@dataclass(frozen=True)
class Framework:
    """What a framework can execute, and its Python for each device (None: the one that runs the harness)."""

    executions: tuple[str, ...]
    interpreters: dict[str, str | None]


@dataclass(frozen=True)
class Settings:
    """One job: a workload, a device, and the variants to measure on it."""

    study: str
    sweep: str
    workload: Workload
    device: Device
    variants: tuple[Variant, ...]
    measure: Measure
    tracking: Tracking
    frameworks: dict[str, Framework]
    results: Path

    @property
    def folder(self) -> Path:
        """Where the records of this sweep go."""
        return self.results / "records" / self.study / self.sweep

    def cell(self, variant: Variant) -> str:
        """Names one variant of one workload on one device: a file name, the same in every sweep."""
        return f"{self.workload.id}.{self.device.name}.{variant}"


def settings(config: Mapping[str, Any]) -> Settings:
    """The job that a resolved config describes. Raises UserError for the first value that cannot be."""
    parts = dict(config)
    measure = _checked(Measure, parts["measure"], "measure")
    device = _checked(Device, parts["device"], "device")
    frameworks = {name: _checked(Framework, value, f"frameworks.{name}") for name, value in parts["frameworks"].items()}
    for name, value in dataclasses.asdict(measure).items():
        if not isinstance(value, str) and not value > 0:
            raise UserError(f"measure.{name}={value}: must be more than 0")
    _one_of("device.name", device.name, DEVICES)
    if device.threads is not None and device.threads < 1:
        raise UserError(f"device.threads={device.threads}: must be at least 1, or null for every CPU")
    return Settings(
        study=_folder_name("study.name", parts["study"]["name"]),
        sweep=_folder_name("sweep", parts["sweep"]),
        workload=_workload(parts["model"], _one_of("precision.name", parts["precision"]["name"], PRECISIONS), parts),
        device=device,
        variants=_variants(parts["variants"], frameworks),
        measure=measure,
        tracking=_checked(Tracking, parts["tracking"], "tracking"),
        frameworks=frameworks,
        results=Path(str(parts["results"])),
    )


def _workload(model: Mapping[str, Any], precision: str, parts: Mapping[str, Any]) -> Workload:
    seed = parts["seed"]
    if type(seed) is not int or seed < 0:
        raise UserError(f"seed={seed!r}: must be a whole number, 0 or more")
    sizes = {key: value for key, value in model.items() if key != "name" and value is not None}
    try:
        return Workload.of(str(model["name"]), sizes, precision=precision, seed=seed)
    except WorkloadError as error:
        raise UserError(f"model={model['name']}: {error}") from error


def _variants(chosen: Mapping[str, Any], frameworks: Mapping[str, Framework]) -> tuple[Variant, ...]:
    found = []
    for framework, executions in chosen.items():
        _one_of("variants", framework, tuple(frameworks))
        if not isinstance(executions, list):
            raise UserError(f"variants.{framework}={executions!r}: must be a list, such as [eager]")
        found += [
            Variant(framework, _one_of(f"variants.{framework}", execution, frameworks[framework].executions))
            for execution in executions
        ]
    if not found:
        raise UserError("variants: nothing to measure; choose at least one, such as variants=all")
    if len(set(found)) < len(found):
        raise UserError(f"variants: {', '.join(map(str, found))} names one of them twice")
    return tuple(found)


def _one_of(key: str, value: Any, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise UserError(f"{key}={value}: not known; choose from {', '.join(allowed)}")
    return str(value)


def _folder_name(key: str, value: Any) -> str:
    """A name that stays one folder below the results: no slash, no leading dot."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", str(value)):
        raise UserError(f"{key}={value!r}: must be a folder name of letters, digits, '_', '-' and '.'")
    return str(value)


def _checked(kind: type[T], data: Mapping[str, Any], where: str) -> T:
    """Build a dataclass from a mapping, with the types of its fields checked by name."""
    hints = typing.get_type_hints(kind)
    if missing := hints.keys() - data.keys():
        raise UserError(f"{where}: {', '.join(sorted(missing))} is missing")
    if unknown := data.keys() - hints.keys():
        raise UserError(f"{where}.{min(unknown)}: no such key; there are {', '.join(hints)}")
    values = {}
    for key, value in data.items():
        if not _fits(value, hints[key]):
            raise UserError(f"{where}.{key}={value!r}: must be {_readable(hints[key])}")
        values[key] = tuple(value) if isinstance(value, list) else value
    return kind(**values)


def _fits(value: Any, hint: Any) -> bool:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return any(_fits(value, option) for option in arguments)
    if origin is tuple:
        return isinstance(value, list) and all(_fits(item, arguments[0]) for item in value)
    if origin is dict:
        return isinstance(value, Mapping) and all(_fits(item, arguments[1]) for item in value.values())
    if hint is float:
        return type(value) in (int, float)
    return type(value) is hint


def _readable(hint: Any) -> str:
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false", type(None): "null"}
    if typing.get_origin(hint) is types.UnionType:
        return " or ".join(_readable(option) for option in typing.get_args(hint))
    return names.get(hint, "a list" if typing.get_origin(hint) is tuple else "a mapping")
