"""The typed schema of everything in `conf/`, and the one validation pass over a resolved config."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from adapters.base import CHOICES, DEFAULT, Choices

from ..claims.claim import Claim, Prediction
from ..claims.rules import RULES
from ..errors import UserError
from ..workload.models import MODELS
from ..workload.ops import WorkloadError
from ..workload.trace import GRADIENTS
from ..workload.workload import Workload
from .checked import checked, file_name, listed, one_of

PRECISIONS = ("fp32", "tf32", "bf16")
DEVICES = ("auto", "cpu", "cuda")
MEMORY = ("kept", "returned")
REDO = ("none", "failed", "all")


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
    """What a framework can execute, and its Python for each device (None: the one that runs the harness).

    `cached` are the executions whose compiled programs a later process finds in a cache.
    """

    executions: tuple[str, ...]
    interpreters: dict[str, str | None]
    cached: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Named:
    name: str | int


@dataclass(frozen=True)
class _Config:
    """`conf/config.yaml`, key by key. Models and variants are checked against what there is of them."""

    study: _Named
    jobs: tuple[str, ...]
    claim: Any
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
class _Prediction:
    says: str
    rule: str
    expects: dict[str, Any]
    where: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class _Claim:
    text: str
    source: str
    axis: tuple[str, ...]
    predictions: dict[str, _Prediction]


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
    claim: Claim | None = None

    @cached_property
    def folder(self) -> Path:
        """Where the records of this sweep go."""
        return self.results / "records" / self.study / self.sweep

    def cell(self, variant: Variant) -> str:
        """Names one variant of one workload on one device: a file name, the same in every sweep."""
        return f"{self.workload.id}.{self.device.name}.{variant}"


def settings(config: Mapping[str, Any]) -> Settings:
    """The job that a resolved config describes. Raises UserError for the first value that cannot be."""
    given = checked(_Config, config)
    for name, value in dataclasses.asdict(given.measure).items():
        if not isinstance(value, str) and not 0 < value < 1e9:
            raise UserError(f"measure.{name}={value}: must be more than 0 and less than a billion")
    one_of("device.name", given.device.name, DEVICES)
    one_of("device.memory", given.device.memory, MEMORY)
    if given.device.threads is not None and given.device.threads < 1:
        raise UserError(f"device.threads={given.device.threads}: must be at least 1, or null for every CPU")
    if not given.results:
        raise UserError("results='': must be a folder")
    return Settings(
        study=file_name("study.name", given.study.name),
        sweep=file_name("sweep", given.sweep),
        workload=_workload(given),
        device=given.device,
        variants=_variants(given.variants, given.frameworks, _choices(given.choices)),
        measure=given.measure,
        tracking=given.tracking,
        frameworks=given.frameworks,
        results=Path(given.results),
        redo=one_of("redo", given.redo, REDO),
        claim=None if given.claim is None else _claim(given.claim),
    )


def _workload(given: _Config) -> Workload:
    precision = one_of("precision.name", given.precision.name, PRECISIONS)
    gradients = one_of("gradients", given.gradients, GRADIENTS)
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
        one_of("choices", name, tuple(CHOICES))
        if not values:
            raise UserError(f"choices.{name}=[]: must have at least one of {listed(CHOICES[name])}")
        for value in values:
            one_of(f"choices.{name}", value, CHOICES[name])
    return [Choices(**dict(zip(lists, values, strict=True))) for values in product(*lists.values())]


def _claim(data: Any) -> Claim:
    """What a study is to find out; `expects` holds the parameters of a prediction's rule."""
    given = checked(_Claim, data, "claim")
    if not given.predictions:
        raise UserError("claim.predictions={}: there must be one at least")
    _facts("claim.axis", given.axis)
    predictions = []
    for name, said in given.predictions.items():
        where = f"claim.predictions.{name}"
        _facts(f"{where}.where", tuple(said.where))
        kind: type[Any] = RULES[one_of(f"{where}.rule", said.rule, tuple(RULES))]
        try:
            rule = checked(kind, said.expects, f"{where}.expects")
        except ValueError as error:
            raise UserError(f"{where}.expects: {error}") from error
        predictions.append(Prediction(str(name), said.says, said.where, rule))
    return Claim(given.text, given.source, given.axis, tuple(predictions))


def _facts(key: str, names: tuple[str, ...]) -> None:
    """Raises UserError unless records have such a size, choice or other property."""
    sizes = {f.name for model in MODELS.values() for f in dataclasses.fields(model)}
    known = {"model", "framework", "execution", "precision", "gradients", *CHOICES, *sizes}
    for name in names:
        one_of(key, name, tuple(sorted(known)))


def _variants(
    chosen: Mapping[str, Any], frameworks: Mapping[str, Framework], choices: Sequence[Choices]
) -> tuple[Variant, ...]:
    found = []
    for framework, executions in chosen.items():
        one_of("variants", framework, tuple(frameworks))
        if not isinstance(executions, list):
            raise UserError(f"variants.{framework}={executions!r}: must be a list, such as [eager]")
        for execution in executions:
            one_of(f"variants.{framework}", execution, frameworks[framework].executions)
            names = file_name("variants", framework), file_name(f"variants.{framework}", execution)
            found += [Variant(*names, choice) for choice in choices]
    if not found:
        raise UserError("variants: nothing to measure; choose at least one, such as variants=all")
    if len(set(found)) < len(found):
        raise UserError(f"variants and choices: {', '.join(map(str, found))} names one of them twice")
    return tuple(found)
