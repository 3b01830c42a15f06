"""The types shared by the whole harness: a job, its variants, and how and where they are measured."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from adapters.choices import DEFAULT, Choices

from .errors import UserError
from .workload.any_workload import AnyWorkload
from .workload.workload import Workload

# Constraints on fields that come from a config; pydantic checks them where the config is read (`harness/config/`).
STRICT = ConfigDict(extra="forbid")
Count = Annotated[int, Field(strict=True, ge=1)]
Positive = Annotated[float, Field(strict=True, gt=0, lt=1e9)]


@dataclass(frozen=True)
class Environment:
    """What a variant's process runs in, under a name of its own, so that two can be measured side by side.

    `interpreter` is the Python to run (None: the framework's own), such as one with another release of the framework.
    `variables` are set besides those of this process. Without a name it is what every process runs in.
    """

    name: str = ""
    interpreter: str | None = None
    variables: tuple[tuple[str, str], ...] = ()


UNNAMED = Environment()


@dataclass(frozen=True)
class Variant:
    """One way to run a workload: a framework, one of its executions, implementation choices, and an environment."""

    framework: str
    execution: str
    choices: Choices = DEFAULT
    environment: Environment = UNNAMED

    def __str__(self) -> str:
        departing = "".join(f"-{name}={value}" for name, value in self.choices.departing.items())
        return f"{self.framework}-{self.execution}{departing}{in_environment(self.environment.name)}"


def in_environment(name: str) -> str:
    """Write the name of an environment as it ends the name of a variant, a cell or a sweep; empty if it has none."""
    return f"@{name}" if name else ""


@dataclass(frozen=True)
class Device:
    """The device to run on: `cpu` or `cuda`, number of threads, and handling of freed memory (see `conf/device/`).

    Zero threads stand for every CPU of a cluster's node, where a sweep is planned that runs there.
    """

    name: str
    threads: int
    memory: str


@dataclass(frozen=True)
class Measure:
    """The measuring settings: how long and how often to measure. `conf/measure/` explains each field."""

    __pydantic_config__ = STRICT
    name: str
    trials: Count
    target: Positive
    budget_s: Positive
    warm_s: Positive
    deadline_s: Positive
    energy: Annotated[bool, Field(strict=True)] = False
    cache: Literal["warm", "cold"] = "warm"


@dataclass(frozen=True)
class Tracking:
    """The URI of the MLflow server or database; None writes records only."""

    __pydantic_config__ = STRICT
    uri: str | None


@dataclass(frozen=True)
class Framework:
    """A framework's executions, and its Python interpreter by device (None: the one that runs the harness).

    `cached` lists the executions whose compiled programs a later process finds in a cache.
    """

    __pydantic_config__ = STRICT
    executions: tuple[str, ...]
    interpreters: dict[str, str | None]
    cached: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """One workload on one device, the variants of it to measure, and the sweep that it belongs to."""

    study: str
    sweep: str
    workload: AnyWorkload
    device: Device
    variants: tuple[Variant, ...]
    measure: Measure
    tracking: Tracking
    frameworks: dict[str, Framework]
    results: Path
    redo: str = "none"
    explain: bool = False

    @cached_property
    def folder(self) -> Path:
        """The folder that holds this sweep's records."""
        return self.results / "records" / self.study / self.sweep

    @property
    def traced(self) -> Workload:
        """The workload, where it is one of the catalogue. Raises UserError for a user's own model."""
        if not isinstance(self.workload, Workload):
            raise UserError(f"model={self.workload.name}: this needs a model of the catalogue, such as model=mlp")
        return self.workload

    def cell(self, variant: Variant) -> str:
        """Name one variant of the workload on the device: a valid file name, and the same in every sweep."""
        return f"{self.workload.id}.{self.device.name}.{variant}"

    def path(self, variant: Variant) -> Path:
        """Return the path of a variant's record."""
        return self.folder / f"{self.cell(variant)}.json"
