"""jax on one device: its settings, and workloads loaded for `jax.jit`."""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Callable, Container, Mapping
from typing import Any, ClassVar
from weakref import WeakSet

import jax
import jax.numpy as jnp
import jaxlib.version
import numpy as np

from harness.workload.expected import Departures
from harness.workload.own_truth import Truth
from harness.workload.trace import Graph

from ..base import Program, Unsupported
from ..choices import Choices
from ..common.adapter import CommonAdapter
from ..common.own_model import OwnModel
from ..common.program import CoreRequest
from ..common.refusals import check_device
from ..common.replicas import check_places
from . import cudnn_attention, departures, own
from .arithmetic import JaxArithmetic
from .compiled import Compiled
from .executable import Executable
from .own_truth import own_truth
from .replicated import Replicated
from .update import Update

if cache := os.environ.get("TWOFOLD_CACHE_DIR"):
    jax.config.update("jax_compilation_cache_dir", cache)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)

# For both matrix multiplies and convolutions. On a GPU, anything below "highest" lets XLA use TF32 for fp32 arrays.
_MULTIPLY = {
    "fp64": "highest",
    "fp32": "highest",
    "tf32": "tensorfloat32",
    "bf16": "default",
    "bf16_mixed": "default",
}

# The compiler's options, by the choice `fusion`. By default XLA's CPU compiler may put several multiplies into one YNN
# kernel: the inference of a network with a mean square loss takes five times longer then, and most models gain.
FUSION: dict[str, dict[str, str | bool]] = {
    "native": {},
    "single": {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"},
}


DETERMINISTIC: dict[str, str | bool] = {"xla_gpu_deterministic_ops": True}


class Adapter(CommonAdapter):
    """jax on one device. Phases return before their work is done, on every device.

    Whether there is float64 is a setting of the process: that of the last adapter made is in force.
    """

    name: ClassVar[str] = "jax"
    lacks: ClassVar[tuple[str, ...]] = ("mode",)
    executions: ClassVar[tuple[str, ...]] = ("jit",)

    def __init__(self, device: str, threads: int, precision: str) -> None:
        check_device("jax", device, precision)
        super().__init__(precision)
        jax.config.update("jax_enable_x64", precision == "fp64")
        self._device = _start(device, threads)
        self._threads = threads
        self._options = FUSION["native"]
        self._replicas = 1
        self._executables: WeakSet[Executable] = WeakSet()

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
            **({"replicas": f"{self._replicas} devices, shard_map"} if self._replicas > 1 else {}),
        }

    def _prepare(self, graph: Graph, execution: str, choices: Choices) -> None:
        self._check_attention(choices)
        if choices.layout == "nchw":
            raise Unsupported("jax: its images are NHWC here, and XLA lays them out in memory; choose layout=native")
        super()._prepare(graph, execution, choices)

    def _apply_process_settings(self, execution: str, choices: Choices) -> None:
        if choices.kernels != "native":
            raise Unsupported("jax: it has no kernels but XLA's; choose kernels=native")
        if choices.fusion != "native" and self._device.platform != "cpu":
            raise Unsupported("jax: fusion=single is about XLA's kernels for a CPU; choose fusion=native on a GPU")
        if choices.deterministic and self._device.platform == "cpu":
            raise Unsupported("jax: XLA's kernels for a CPU are deterministic as they are; choose deterministic=false")
        self._options = FUSION[choices.fusion] | (DETERMINISTIC if choices.deterministic else {})

    def _check_attention(self, choices: Choices) -> None:
        """Raise Unsupported unless jax has this attention here."""
        if choices.attention in ("native", "unfused"):
            return
        if choices.attention not in departures.FUSED:
            raise Unsupported(f"jax: it has no attention={choices.attention}; choose native, or cudnn on a GPU")
        if self._device.platform != "gpu" or not self._precision.startswith("bf16"):
            raise Unsupported("jax: its fused attention is cuDNN's, for arrays of 16 bits on a GPU; choose native")
        if choices.tangent:
            raise Unsupported("jax: cuDNN's attention has no forward mode; choose attention=native")

    def refusal(self, error: Exception) -> Unsupported | None:
        """What jax's interface to cuDNN raises before it compiles."""
        if isinstance(error, (NotImplementedError, RuntimeError, ValueError)) and _raised_by_cudnn(error):
            says = " ".join(str(error).split())[:200].rstrip(".")
            return Unsupported(f"jax: cuDNN's attention does not take these arrays ({says}); choose attention=native")
        return None

    def _place(self, arrays: Mapping[str, np.ndarray], narrow: Container[str]) -> dict[str, jax.Array]:
        # Copies run behind; the first call is not to wait for them.
        return jax.block_until_ready({name: self._put(array, name in narrow) for name, array in arrays.items()})

    def _program(self, request: CoreRequest, execution: str, choices: Choices) -> Program:
        return Compiled(request, choices, self._precision == "bf16_mixed", self._executable)

    def _replicated(
        self, graph: Graph, arrays: Mapping[str, np.ndarray], execution: str, choices: Choices
    ) -> Replicated:
        devices, replicas = jax.devices(self._device.platform), choices.replicas
        check_places("jax", replicas, self._device.platform, self._threads, len(devices))
        self._replicas, mixed = replicas, self._precision == "bf16_mixed"
        return Replicated(graph, arrays, choices, mixed, devices[:replicas], self._put_at, self._executable)

    def _own_program(self, model: OwnModel, execution: str, choices: Choices) -> Program:
        return own.Own(own.rebuild_model(model, self._device), self._executable)

    def own_truth(self, model: OwnModel) -> Truth:
        return own_truth(model, self._device)

    def _update(self, optimizer: str, core: Program, execution: str) -> Update:
        return Update(optimizer, core, self._executable)

    def _executable(self, function: Callable[..., Any], donate: tuple[int, ...] = ()) -> Executable:
        executable = Executable(function, _MULTIPLY[self._precision], self._options, donate)
        self._executables.add(executable)
        return executable

    def arithmetic(self) -> JaxArithmetic:
        return JaxArithmetic(self._device)

    def departures(self, execution: str, choices: Choices) -> Departures:
        return departures.departures(self._device.platform, choices, self._precision)

    def wait(self, value: Any) -> None:
        # An array that was donated is computed before the one that took its place.
        jax.block_until_ready([array for array in jax.tree.leaves(value) if not array.is_deleted()])

    def overwriting(self, size: int) -> Callable[[], Any]:
        add = jax.jit(lambda buffer: buffer + 1, donate_argnums=0)
        buffers = [jax.device_put(np.zeros(size // 4, np.float32), self._device)]

        def overwrite() -> jax.Array:
            buffers.append(add(buffers.pop()))
            return buffers[0]

        return overwrite

    def peak_bytes(self, call: Callable[[], Any]) -> tuple[Any, int | None]:
        """The most that a program that `call` runs needs, by the compiler's plan; None if it runs none.

        The allocator's own peak, which a GPU has, is that of the process, and cannot be reset.
        """
        calls = {executable: executable.calls for executable in self._executables}
        result = call()
        return result, max((e.peak_bytes() for e, before in calls.items() if e.calls > before), default=None)

    peak_source = "the compiler's plan"

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

    def _put(self, array: np.ndarray, narrow: bool) -> jax.Array:
        return self._put_at(array, self._device, narrow)

    def _put_at(self, array: np.ndarray, where: jax.Device | jax.sharding.Sharding, narrow: bool = False) -> jax.Array:
        precision = "bf16" if narrow else self._precision
        dtype = {"bf16": jnp.bfloat16, "fp64": jnp.float64}.get(precision) if array.dtype.kind == "f" else None
        # A copy: on a CPU, device_put may go on using the caller's own memory, which may be a mapped file.
        return jax.device_put(np.array(array, dtype), where)


def _raised_by_cudnn(error: Exception) -> bool:
    """Whether an error was raised while a call of cuDNN's attention was traced."""
    return any(frame.filename == cudnn_attention.__file__ for frame in traceback.extract_tb(error.__traceback__))


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
