"""What is needed to start the worker of a variant, and the environment that it gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..job import UNNAMED, Device, Environment, Measure
from .worker import MALLOC


@dataclass(frozen=True)
class Launch:
    """Everything needed to start the worker of one variant: its program, its interpreter and environment, its log."""

    framework: str
    execution: str
    choices: dict[str, Any]
    interpreter: str
    log: Path
    environment: Environment = UNNAMED


@dataclass(frozen=True)
class Conditions:
    """The settings shared by all workers of a job. Frameworks store compiled programs in `cache`."""

    device: Device
    measure: Measure
    precision: str
    cpus: Sequence[int]
    cache: Path


def environment(launch: Launch, conditions: Conditions) -> dict[str, str]:
    """Return the environment variables of a variant's worker, besides those of this process.

    Each named environment has a compile cache of its own: not every variable is part of a compiled program's key.
    """
    name = launch.environment.name
    cache = conditions.cache / f"environment-{name}" if name else conditions.cache
    return {
        **dict(launch.environment.variables),
        **MALLOC[conditions.device.memory],
        "TWOFOLD_CACHE_DIR": str(cache.resolve()),
        "TWOFOLD_KERNELS": launch.choices.get("kernels", "native"),  # TensorFlow reads it when imported
        "TWOFOLD_DETERMINISTIC": str(launch.choices.get("deterministic", False)),  # and torch this
        "TWOFOLD_REPLICAS": str(launch.choices.get("replicas", 1)),  # jax and TensorFlow start as many devices
    }
