"""jax on one device: its settings, and workloads loaded for `jax.jit`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import jaxlib.version
import numpy as np

from harness.workload.expected import Departures
from harness.workload.trace import Graph

from ..base import Choices, Program, Unsupported
from ..common.adapter import CommonAdapter
from ..common.program import Part
from ..common.refusals import check_device
from . import departures
from .arithmetic import JaxArithmetic, allow_float64
from .compiled import Compiled
from .executable import Executable
from .update import Update

if cache := os.environ.get("TWOFOLD_CACHE_DIR"):
    jax.config.update("jax_compilation_cache_dir", cache)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)

# For both matrix multiplies and convolutions. On a GPU, anything below "highest" lets XLA use TF32 for fp32 arrays.
_MULTIPLY = {"fp64": "highest", "fp32": "highest", "tf32": "tensorfloat32", "bf16": "default"}

# The compiler's options, by the choice `fusion`. By default XLA's CPU compiler may put several multiplies into one YNN
# kernel: the inference of a network with a mean square loss takes five times longer then, and most models gain.
FUSION = {
    "native": {},
    "single": {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"},
}


class Adapter(CommonAdapter):
    """Phases return before the work is done, on every device."""

    name: ClassVar[str] = "jax"
    executions: ClassVar[tuple[str, ...]] = ("jit",)

    def __init__(self, device: str, threads: int, precision: str) -> None:
        check_device("jax", device, precision, beside=("fp64",))
        super().__init__(precision)
        if precision == "fp64":
            allow_float64(device)
        self._device = _start(device, threads)
        self._threads = threads
        self._options = FUSION["native"]

    def describe(self) -> dict[str, str]:
        return {
            "jax": jax.__version__,
            "jaxlib": jaxlib.version.__version__,
            "device": self._device.device_kind,
            "platform": self._device.client.platform_version,
            "precision": self._precision,
            "multiply_precision": _MULTIPLY[self._precision],
            "compiler_options": " ".join(f"{key}={value}" for key, value in self._options.items()) or "none",
            "target": self._target(),
            "threads": str(self._threads),
            "layout": "NHWC",
            "denormals": "flushed",
        }

    def _prepare(self, graph: Graph, execution: str, choices: Choices) -> None:
        if choices.attention == "fused":
            raise Unsupported("jax: its fused attention is cuDNN's, for arrays of 16 bits on a GPU; choose native")
        if choices.layout == "nchw":
            raise Unsupported("jax: its images are NHWC here, and XLA lays them out in memory; choose layout=native")
        if choices.kernels != "native":
            raise Unsupported("jax: it has no kernels but XLA's; choose kernels=native")
        if choices.fusion != "native" and self._device.platform != "cpu":
            raise Unsupported("jax: fusion=single is about XLA's kernels for a CPU; choose fusion=native on a GPU")
        self._options = FUSION[choices.fusion]

    def _place(self, arrays: Mapping[str, np.ndarray]) -> dict[str, jax.Array]:
        # Copies run behind; the first call is not to wait for them.
        return jax.block_until_ready({name: self._put(array) for name, array in arrays.items()})

    def _program(self, part: Part, execution: str, choices: Choices) -> Program:
        return Compiled(part, choices, self._executable)

    def _update(self, optimizer: str, core: Program, execution: str) -> Update:
        return Update(optimizer, core, self._executable)

    def _executable(self, function: Callable[..., Any], donate: tuple[int, ...] = ()) -> Executable:
        return Executable(function, _MULTIPLY[self._precision], self._options, donate)

    def arithmetic(self) -> JaxArithmetic:
        return JaxArithmetic(self._device)

    def departures(self, execution: str, choices: Choices) -> Departures:
        return departures.departures(self._device.platform, choices)

    def wait(self, value: Any) -> None:
        # An array that was donated is computed before the one that took its place.
        jax.block_until_ready([array for array in jax.tree.leaves(value) if not array.is_deleted()])

    def _target(self) -> str:
        """The CPU that XLA compiles for, and its vector instructions, read from a program that it compiled."""
        if self._device.platform != "cpu":
            return self._device.device_kind
        with jax.default_device(self._device):
            compiled = jax.jit(jnp.negative).lower(jnp.float32(1)).compile().runtime_executable().serialize()
        target = re.search(rb"([a-z0-9._-]+)[\x00-\x1f].{1,2}?((?:[+-][a-z0-9._-]+,)+)", compiled, re.DOTALL)
        if target is None:
            return "not known"
        vectors = re.findall(r"\+((?:avx|amx|fma|sve|neon)[^,]*)", target[2].decode())
        return f"{target[1].decode()}, {' '.join(vectors)}"

    def _put(self, array: np.ndarray) -> jax.Array:
        narrow = self._precision == "bf16" and array.dtype.kind == "f"
        # A copy: on a CPU, device_put may go on using the caller's own memory, which may be a mapped file.
        return jax.device_put(np.array(array, jnp.bfloat16 if narrow else None), self._device)


_running_threads: int | None = None


def _start(device: str, threads: int) -> jax.Device:
    """The first device of that kind, with a pool of that many CPU threads, which lasts until the process ends."""
    global _running_threads
    if _running_threads not in (None, threads):
        raise Unsupported(f"jax: it already runs in this process, with {_running_threads} threads, not {threads}")
    os.environ["NPROC"] = str(threads)  # read when the first device is asked for
    _running_threads = threads
    try:
        return jax.devices(device)[0]
    except RuntimeError as error:
        raise Unsupported(f"jax: there is no {device} device here ({str(error).splitlines()[0]})") from error
