"""TensorFlow on one device: its settings, and workloads loaded in one of three executions."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from functools import partial
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import config
from tensorflow.python.util import _pywrap_util_port

from harness.workload.expected import Departures
from harness.workload.ops import CATALOGUE
from harness.workload.own_truth import Truth
from harness.workload.trace import Graph

from ..base import Program, Unsupported
from ..choices import Choices
from ..common import cpu
from ..common.adapter import CommonAdapter
from ..common.own_model import OwnModel
from ..common.program import CoreRequest
from ..common.refusals import check_device
from ..common.replicas import check_places, parts
from . import departures, own
from .autodiff import Reverse
from .compiled import Compiled
from .eager import Eager
from .environment import REPLICAS
from .manual import ByHand
from .own_truth import own_truth
from .profiled import in_scopes
from .replicated import Replicated
from .update import Update


class Adapter(CommonAdapter):
    """Settings are process-wide, and most hold until the process ends."""

    name: ClassVar[str] = "tensorflow"
    lacks: ClassVar[tuple[str, ...]] = ("fusion", "mode")
    executions: ClassVar[tuple[str, ...]] = ("eager", "graph", "xla")

    def __init__(self, device: str, threads: int, precision: str) -> None:
        check_device("tensorflow", device, precision)
        super().__init__(precision)
        self._replicas = 1
        self._gpu = _choose_device(device)
        _set_threads(threads)
        # One switch for matmul and convolution; on by default.
        tf.config.experimental.enable_tensor_float_32_execution(precision == "tf32")
        tf.config.experimental.set_synchronous_execution(True)

    def describe(self) -> dict[str, str]:
        build = tf.sysconfig.get_build_info()
        described = {
            "tensorflow": tf.__version__,
            "numpy": np.__version__,
            "device": self._gpu or "cpu",
            "precision": self._precision,
            "intra_op_threads": str(tf.config.threading.get_intra_op_parallelism_threads()),
            "inter_op_threads": str(tf.config.threading.get_inter_op_parallelism_threads()),
            "tf32": "on" if tf.config.experimental.tensor_float_32_execution_enabled() else "off",
            "denormals": "flushed",
            "deterministic": "yes" if config.is_op_determinism_enabled() else "no",
            "onednn": "on" if _onednn_on() else "off",
            "onednn_instructions": cpu.onednn_level(),  # with it off as well: Eigen calls oneDNN's sgemm
        }
        if self._replicas > 1:
            described["replicas"] = f"{self._replicas} logical devices, as MirroredStrategy reduces"
        if self._gpu:
            described |= {name: str(build.get(f"{name}_version", "")) for name in ("cuda", "cudnn")}
        return described

    def _apply_process_settings(self, execution: str, choices: Choices) -> None:
        self._check_kernels(choices.kernels, execution)
        self._use_determinism(choices.deterministic, execution)

    def _prepare(self, graph: Graph, execution: str, choices: Choices) -> None:
        super()._prepare(graph, execution, choices)
        if choices.attention not in ("native", "unfused"):
            raise Unsupported("tensorflow: it has no fused attention kernel; choose attention=native")
        if choices.layout == "nchw":
            raise Unsupported("tensorflow: its images are NHWC here, as its kernels for a CPU want them; choose native")
        if choices.tangent and any(CATALOGUE[call.op].has_loop for call in graph.calls):
            raise Unsupported("tensorflow: its loops here have no forward mode; choose model.loop=unrolled")

    def _place(self, arrays: Mapping[str, np.ndarray], narrow: Container[str]) -> dict[str, tf.Tensor]:
        return {name: self._convert(array, name in narrow) for name, array in arrays.items()}

    def _program(self, request: CoreRequest, execution: str, choices: Choices) -> Program:
        rule: Reverse | ByHand
        mixed = self._precision == "bf16_mixed"
        if choices.autodiff == "reverse":
            wrap = None if execution == "eager" else in_scopes
            rule = Reverse(request.graph, choices.residuals, execution == "xla", mixed, wrap)
        else:
            rule = ByHand(request.graph, choices.autodiff, mixed)
        return (
            Eager(request, rule, mixed)
            if execution == "eager"
            else Compiled(request, rule, mixed, jit=execution == "xla")
        )

    def _replicated(
        self, graph: Graph, arrays: Mapping[str, np.ndarray], execution: str, choices: Choices
    ) -> Replicated:
        if execution != "graph":
            why = "XLA compiles for one device here" if execution == "xla" else "op by op, replicas would take turns"
            raise Unsupported(f"tensorflow: {why}; for replicas choose execution graph")
        threads, replicas = tf.config.threading.get_intra_op_parallelism_threads(), choices.replicas
        devices = [device.name for device in tf.config.list_logical_devices("GPU" if self._gpu else "CPU")]
        check_places("tensorflow", replicas, "cuda" if self._gpu else "cpu", threads, len(devices))
        self._replicas, mixed = replicas, self._precision == "bf16_mixed"
        rule = Reverse(graph, choices.residuals, xla=False, mixed=mixed)
        placed = [self._place(part, ()) for part in parts(graph, arrays, replicas)]
        return Replicated(graph, placed, rule, devices[:replicas], bool(self._gpu))

    def _own_program(self, model: OwnModel, execution: str, choices: Choices) -> Program:
        built_model = own.rebuild_model(model)
        return own.OwnEager(built_model) if execution == "eager" else own.OwnTraced(built_model, jit=execution == "xla")

    def own_truth(self, model: OwnModel) -> Truth:
        return own_truth(model)

    def _update(self, optimizer: str, core: Program, execution: str) -> Update:
        return Update(optimizer, core, execution)

    def _check_kernels(self, kernels: str, execution: str) -> None:
        """Raise Unsupported unless the kernels that were chosen are those in force."""
        if kernels == "native":
            return
        if self._gpu or execution == "xla":
            raise Unsupported(
                f"tensorflow: kernels={kernels} switches neither a GPU's kernels nor XLA's; choose kernels=native"
            )
        if _onednn_on() != (kernels == "onednn"):
            is_on = "on" if _onednn_on() else "off"
            raise Unsupported(
                f"tensorflow: it was imported with oneDNN {is_on}, and kernels={kernels} cannot change that; "
                "import it with TF_ENABLE_ONEDNN_OPTS=1 or 0"
            )

    def _use_determinism(self, deterministic: bool, execution: str) -> None:
        """Switch determinism on or off from now on. An op without a deterministic kernel then raises when it runs."""
        if deterministic and execution == "xla" and not self._gpu:
            raise Unsupported(
                "tensorflow: XLA's kernels for a CPU are deterministic as they are; choose deterministic=false"
            )
        if deterministic:
            tf.config.experimental.enable_op_determinism()
        elif config.is_op_determinism_enabled():
            config.disable_op_determinism()

    def refusal(self, error: Exception) -> Unsupported | None:
        if isinstance(error, tf.errors.UnimplementedError) and "determinis" in str(error):
            return Unsupported("tensorflow: an op of this model has no deterministic kernel on this device")
        return None

    def departures(self, execution: str, choices: Choices) -> Departures:
        return departures.departures(execution, choices, self._precision)

    def wait(self, value: Any) -> None:
        """On a CPU everything is computed when a call returns, and this is short; on a GPU it waits for all streams."""
        tf.test.experimental.sync_devices()

    def overwriting(self, size: int) -> Callable[[], Any]:
        buffer = tf.Variable(tf.zeros(size // 4))
        return lambda: buffer.assign(buffer + 1)

    def peak_bytes(self, call: Callable[[], Any]) -> tuple[Any, int | None]:
        device = "GPU:0" if self._gpu else "CPU:0"
        self.wait(None)
        try:
            tf.config.experimental.reset_memory_stats(device)
        except ValueError:  # a CPU's allocator counts with oneDNN alone
            return call(), None
        result = call()
        self.wait(result)
        return result, int(tf.config.experimental.get_memory_info(device)["peak"])

    @property
    def counts_all_memory(self) -> bool:
        """False on a CPU: oneDNN's allocator counts from 256 KiB on, and a variable may keep the array it came from."""
        return bool(self._gpu)

    def _convert(self, array: np.ndarray, narrow: bool) -> tf.Tensor:
        if array.dtype.kind == "f":
            precision = "bf16" if narrow else self._precision
            return tf.constant(array, {"bf16": tf.bfloat16, "fp64": tf.float64}.get(precision, tf.float32))
        if array.dtype.kind == "b":
            return tf.constant(array)
        # On a GPU, TensorFlow keeps int32 in host memory, to be copied in every call; int64 lives on the device.
        return tf.constant(array, tf.int64 if self._gpu else tf.int32)


def _onednn_on() -> bool:
    """Whether TensorFlow computes with oneDNN's operations: by TF_ENABLE_ONEDNN_OPTS, else by what the CPU has."""
    return _pywrap_util_port.IsMklEnabled()


def _choose_device(device: str) -> str:
    """Make the device the only one, so that nothing else can be used by default. Returns the name of a GPU, or ''.

    Replicas have a device each, of the same kind; those of a CPU are logical ones.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if device == "cuda":
        if not gpus:
            raise Unsupported("tensorflow: no CUDA device was found, or this build of TensorFlow is for CPUs alone")
        _before_start(lambda: tf.config.set_visible_devices(gpus[:REPLICAS], "GPU"), "another device")
        for gpu in gpus[:REPLICAS]:
            _before_start(partial(tf.config.experimental.set_memory_growth, gpu, True), "all GPU memory taken")
        return str(tf.config.experimental.get_device_details(gpus[0]).get("device_name", "cuda"))
    _before_start(lambda: tf.config.set_visible_devices([], "GPU"), "a GPU")
    if REPLICAS > 1:
        logical = [tf.config.LogicalDeviceConfiguration()] * REPLICAS
        cpu = tf.config.list_physical_devices("CPU")[0]
        _before_start(lambda: tf.config.set_logical_device_configuration(cpu, logical), "one device")
    return ""


def _set_threads(threads: int) -> None:
    threading = tf.config.threading
    if threading.get_intra_op_parallelism_threads() != threads:
        _before_start(lambda: threading.set_intra_op_parallelism_threads(threads), "other threads")
    if threading.get_inter_op_parallelism_threads() != threads:
        _before_start(lambda: threading.set_inter_op_parallelism_threads(threads), "other threads")


def _before_start(setting: Callable[[], None], running: str) -> None:
    """Apply a setting that the first op fixes for the process. Raises Unsupported if it is another one already."""
    try:
        setting()
    except RuntimeError as error:
        raise Unsupported(f"tensorflow: it already runs in this process, with {running}: {error}") from error
