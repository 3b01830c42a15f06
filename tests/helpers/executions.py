"""Every framework with an adapter and a config, its executions, and its adapter for a test."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

import adapters
from tests.helpers.xla import plain_code

THREADS = 1  # jax and TensorFlow keep their first number of threads until the process ends
Pair = tuple[str, str]  # a framework and one of its executions

FRAMEWORK_FILES = {path.stem: path for path in (Path(__file__).parents[2] / "conf" / "framework").glob("*.yaml")}
FRAMEWORKS = [m.name for m in pkgutil.iter_modules(adapters.__path__) if m.name in FRAMEWORK_FILES]
EXECUTIONS: list[Pair] = [
    (framework, str(execution))
    for framework in FRAMEWORKS
    for execution in OmegaConf.load(FRAMEWORK_FILES[framework]).executions
]
# A compiler takes seconds for a phase of theirs, or more.
COMPILED_SLOWLY = {"compile", "xla", "jit"}
WITH_AUTODIFF = [pair for pair in EXECUTIONS if pair[0] != "numpy"]
QUICK = [pair for pair in WITH_AUTODIFF if pair[1] not in ("compile", "xla")]


def adapter_of(framework: str, device: str = "cpu", precision: str = "fp32") -> Any:
    """The framework's adapter, with one thread; see `xla.py` for what its compiler leaves out. Raises Unsupported."""
    with plain_code(framework):
        return importlib.import_module(f"adapters.{framework}").Adapter(device, THREADS, precision)
