"""The typed schema of everything in `conf/`, and the one validation pass over a resolved config."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

from adapters.base import CHOICES, DEFAULT, Choices

from .errors import UserError
from .workload.ops import WorkloadError
from .workload.trace import GRADIENTS
from .workload.workload import Workload

PRECISIONS = ("fp32", "tf32", "bf16")
DEVICES = ("auto", "cpu", "cuda")
MEMORY = ("kept", "returned")
REDO = ("none", "failed", "all")

T = TypeVar("T")


@dataclass(frozen=True)
class Variant:
    """One way to run a workload: a framework, one of its executions, and implementation choices."""

    framework: str
    execution: str
    choices: Choices = DEFAULT

    def __str__(self) -> str:
        departing = "".join(f"-{name}={value}" for name, value in self.choices.departing.items())
        return f"{self.framework}-{self.execution}{departing}"


@dataclass(frozen=True)
class Device:
    """Where to run; the comments stand in `conf/device/`. `threads`: None for every CPU this process may use."""

    name: str
    threads: int | None
    memory: str


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
class _Named:
    name: str | int


@dataclass(frozen=True)
class _Config:
    """`conf/config.yaml`, key by key. Models and variants are checked against what there is of them."""

    study: _Named
    sweep: str | int
    redo: str
    seed: int
    results: str
    model: dict[str, Any]
    device: Device
    precision: _Named
    gradients: str
    choices: dict[str, Any]
    variants: dict[str, Any]
    measure: Measure
    tracking: Tracking
    frameworks: dict[str, Framework]


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
    redo: str = "none"

    @property
    def folder(self) -> Path:
        """Where the records of this sweep go."""
        return self.results / "records" / self.study / self.sweep

    def cell(self, variant: Variant) -> str:
        """Names one variant of one workload on one device: a file name, the same in every sweep."""
        return f"{self.workload.id}.{self.device.name}.{variant}"


def settings(config: Mapping[str, Any]) -> Settings:
    """The job that a resolved config describes. Raises UserError for the first value that cannot be."""
    given = _checked(_Config, config)
    for name, value in dataclasses.asdict(given.measure).items():
        if not isinstance(value, str) and not 0 < value < 1e9:
            raise UserError(f"measure.{name}={value}: must be more than 0 and less than a billion")
    _one_of("device.name", given.device.name, DEVICES)
    _one_of("device.memory", given.device.memory, MEMORY)
    if given.device.threads is not None and given.device.threads < 1:
        raise UserError(f"device.threads={given.device.threads}: must be at least 1, or null for every CPU")
    if not given.results:
        raise UserError("results='': must be a folder")
    return Settings(
        study=_file_name("study.name", given.study.name),
        sweep=_file_name("sweep", given.sweep),
        workload=_workload(given),
        device=given.device,
        variants=_variants(given.variants, given.frameworks, _choices(given.choices)),
        measure=given.measure,
        tracking=given.tracking,
        frameworks=given.frameworks,
        results=Path(given.results),
        redo=_one_of("redo", given.redo, REDO),
    )


def _workload(given: _Config) -> Workload:
    precision = _one_of("precision.name", given.precision.name, PRECISIONS)
    gradients = _one_of("gradients", given.gradients, GRADIENTS)
    if given.seed < 0:
        raise UserError(f"seed={given.seed}: must be a whole number, 0 or more")
    name = str(given.model.get("name"))
    sizes = {str(key): value for key, value in given.model.items() if key != "name"}
    try:
        return Workload.of(name, sizes, precision=precision, seed=given.seed, gradients=gradients)
    except WorkloadError as error:
        raise UserError(f"model={name}: {error}") from error


def _choices(given: Mapping[str, Any]) -> list[Choices]:
    """Every combination of the values given for each choice; one value may stand without a list."""
    lists = {name: value if isinstance(value, list) else [value] for name, value in given.items()}
    for name, values in lists.items():
        _one_of("choices", name, tuple(CHOICES))
        if not values:
            raise UserError(f"choices.{name}=[]: must have at least one of {_listed(CHOICES[name])}")
        for value in values:
            _one_of(f"choices.{name}", value, CHOICES[name])
    return [Choices(**dict(zip(lists, values, strict=True))) for values in product(*lists.values())]


def _variants(
    chosen: Mapping[str, Any], frameworks: Mapping[str, Framework], choices: Sequence[Choices]
) -> tuple[Variant, ...]:
    found = []
    for framework, executions in chosen.items():
        _one_of("variants", framework, tuple(frameworks))
        if not isinstance(executions, list):
            raise UserError(f"variants.{framework}={executions!r}: must be a list, such as [eager]")
        for execution in executions:
            _one_of(f"variants.{framework}", execution, frameworks[framework].executions)
            names = _file_name("variants", framework), _file_name(f"variants.{framework}", execution)
            found += [Variant(*names, choice) for choice in choices]
    if not found:
        raise UserError("variants: nothing to measure; choose at least one, such as variants=all")
    if len(set(found)) < len(found):
        raise UserError(f"variants and choices: {', '.join(map(str, found))} names one of them twice")
    return tuple(found)


def _one_of(key: str, value: Any, allowed: tuple[T, ...]) -> T:
    for known in allowed:
        if type(value) is type(known) and value == known:
            return known
    raise UserError(f"{key}={value}: not known; choose from {_listed(allowed)}")


def _listed(values: tuple[Any, ...]) -> str:
    """As one types them: true, not True."""
    return ", ".join(str(value).lower() if isinstance(value, bool) else str(value) for value in values)


def _file_name(key: str, value: Any) -> str:
    """A name that stays in its folder below the results: no slash, no leading dot."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", str(value)):
        raise UserError(f"{key}={value!r}: must be a name of letters, digits, '_', '-' and '.', at most 100")
    return str(value)


def _checked(kind: type[T], data: Any, where: str = "") -> T:
    """Build a dataclass from a mapping; whatever does not fit its fields is named."""
    hints = typing.get_type_hints(kind)
    if not isinstance(data, Mapping):
        raise UserError(f"{where}={data!r}: must be a mapping with {', '.join(hints)}")
    prefix = f"{where}." if where else ""
    if missing := hints.keys() - data.keys():
        raise UserError(f"{prefix}{min(missing)}: is missing; there must be {', '.join(hints)}")
    if unknown := data.keys() - hints.keys():
        raise UserError(f"{prefix}{min(map(str, unknown))}: no such key; there are {', '.join(hints)}")
    return kind(**{key: _value(value, hints[key], prefix + key) for key, value in data.items()})


def _value(value: Any, hint: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return _checked(typing.cast(type, hint), value, where)
    if typing.get_origin(hint) is dict and isinstance(value, Mapping):
        return {key: _value(item, typing.get_args(hint)[1], f"{where}.{key}") for key, item in value.items()}
    if not _fits(value, hint):
        raise UserError(f"{where}={value!r}: must be {_readable(hint)}")
    return tuple(value) if typing.get_origin(hint) is tuple else value


def _fits(value: Any, hint: Any) -> bool:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return any(_fits(value, option) for option in arguments)
    if origin is tuple:
        return isinstance(value, list) and all(_fits(item, arguments[0]) for item in value)
    if hint is float:
        return type(value) in (int, float)
    return hint is Any or type(value) is hint


def _readable(hint: Any) -> str:
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false", type(None): "null"}
    if typing.get_origin(hint) is types.UnionType:
        return " or ".join(_readable(option) for option in typing.get_args(hint))
    return names.get(hint, "a list" if typing.get_origin(hint) is tuple else "a mapping")
