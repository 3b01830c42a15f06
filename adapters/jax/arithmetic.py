"""The catalogue's rules in jax, in any precision, for a reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
        result: tuple[Any, dict[str, Array]] = once(both, self._device)(placed)
        return result


def once(function: Callable[..., Any], device: jax.Device) -> Callable[..., Any]:
    """The function as one program that is called once: in full precision, and on a GPU without a search for kernels.

    XLA would time every kernel that could do a multiply or a convolution, which takes longer than the call.
    """
    options: dict[str, str | bool] = {"xla_gpu_autotune_level": "0"} if device.platform == "gpu" else {}
    jitted = jax.jit(function, compiler_options=options)

    def call(*arguments: Any) -> Any:
        with jax.default_matmul_precision("highest"):
            return jitted(*arguments)

    return call
