"""The types that everything speaks of: a job, its variants, and how and where they are measured."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field

from adapters.base import DEFAULT, Choices

from .workload.workload import Workload

# What a config may give for a field: pydantic checks it where a config is read (`harness/config/`).
STRICT = ConfigDict(extra="forbid")
Count = Annotated[int, Field(strict=True, ge=1)]
Positive = Annotated[float, Field(strict=True, gt=0, lt=1e9)]


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
    """Where to run: `cpu` or `cuda`, with how many threads, and what becomes of freed memory (see `conf/device/`)."""

    name: str
    threads: int
    memory: str


@dataclass(frozen=True)
class Measure:
    """How long and how often to measure; `conf/measure/` explains each field."""

    __pydantic_config__ = STRICT
    name: str
    trials: Count
    target: Positive
    budget_s: Positive
    warm_s: Positive
    deadline_s: Positive


@dataclass(frozen=True)
class Tracking:
    """Address of MLflow; None to keep records only."""

    __pydantic_config__ = STRICT
    uri: str | None


@dataclass(frozen=True)
class Framework:
    """What a framework can execute, and its Python for each device (None: the one that runs the harness).

    `cached` are the executions whose compiled programs a later process finds in a cache.
    """

    __pydantic_config__ = STRICT
    executions: tuple[str, ...]
    interpreters: dict[str, str | None]
    cached: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """One workload on one device, with the variants to measure on it, and the sweep that it belongs to."""

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

    @cached_property
    def folder(self) -> Path:
        """The folder of this sweep's records."""
        return self.results / "records" / self.study / self.sweep

    def cell(self, variant: Variant) -> str:
        """The name of one variant of one workload on one device: a file name, the same in every sweep."""
        return f"{self.workload.id}.{self.device.name}.{variant}"

    def path(self, variant: Variant) -> Path:
        """The file of a variant's record."""
        return self.folder / f"{self.cell(variant)}.json"
