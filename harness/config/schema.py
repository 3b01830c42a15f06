"""The schema of `conf/config.yaml`, and of the `claim` block of a study."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from ..job import STRICT, Count, Framework, Measure, Tracking
from .validate import file_name, folder_name

Name = Annotated[str, BeforeValidator(file_name)]


@dataclass(frozen=True)
class Study:
    """The study that a job belongs to."""

    __pydantic_config__ = STRICT
    name: Name


@dataclass(frozen=True)
class Device:
    """The requested device. `threads: null` requests every CPU that this process may use."""

    __pydantic_config__ = STRICT
    name: Literal["auto", "cpu", "cuda"]
    threads: Count | None
    memory: Literal["kept", "returned"]


@dataclass(frozen=True)
class Precision:
    """The precision of multiplies."""

    __pydantic_config__ = STRICT
    name: Literal["fp32", "tf32", "bf16", "bf16_mixed", "fp64"]


@dataclass(frozen=True)
class Config:
    """The whole config. Models, choices and variants are plain mappings here; `job.py` checks what is in them."""

    __pydantic_config__ = STRICT
    study: Study
    jobs: tuple[str, ...]
    claim: Any
    sweep: Name
    redo: Literal["none", "failed", "noisy", "all"]
    explain: Annotated[bool, Field(strict=True)]
    seed: Annotated[int, Field(strict=True, ge=0)]
    results: Annotated[str, AfterValidator(folder_name)]
    model: dict[str, Any]
    device: Device
    precision: Precision
    gradients: Literal["params", "inputs", "both"]
    frozen: str | None
    choices: dict[str, Any]
    variants: dict[str, Any]
    environments: dict[str, Any] | None
    measure: Measure
    tracking: Tracking
    frameworks: dict[str, Framework]


@dataclass(frozen=True)
class Prediction:
    """One prediction of a claim. `expects` has the parameters of its rule; `where` limits it to some records."""

    __pydantic_config__ = STRICT
    says: str
    rule: str
    expects: dict[str, Any]
    where: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """A claim that a study judges."""

    __pydantic_config__ = STRICT
    text: str
    source: str
    axis: tuple[str, ...]
    predictions: dict[str, Prediction]
