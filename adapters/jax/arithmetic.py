"""The catalogue's rules in jax, in any precision, for a reference."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax import Array

from harness.workload.arithmetic import Pass

from . import primitives


class JaxArithmetic:
    """jax's arithmetic, as one program for forward and backward: op by op, there would be hundreds to compile."""

    source = f"jax {jax.__version__}, float64, by hand"
    primitives: Any = primitives

    def __init__(self, device: jax.Device) -> None:
        self._device = device

    def place(self, array: np.ndarray, dtype: type[np.floating]) -> Array:
        # A copy: on a CPU, device_put may go on using the caller's own memory, which may be a mapped file.
        return jax.device_put(np.array(array, dtype if array.dtype.kind == "f" else None), self._device)

    def export(self, array: Array) -> np.ndarray:
        return np.asarray(array)

    def run(self, both: Pass, placed: Mapping[str, Array]) -> tuple[Any, dict[str, Array]]:
        result: tuple[Any, dict[str, Array]] = jax.jit(both)(placed)
        return result


def allow_float64(device: str) -> None:
    """Prepare this process for references, before jax starts: float64, and float32 in full.

    XLA times every kernel that could do a multiply or a convolution, which takes longer than a reference computed once.
    """
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_default_matmul_precision", "highest")
    if device == "cuda":
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_gpu_autotune_level=0".strip()
