"""Sets TensorFlow up for one device and loads workloads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf
from tensorflow.python.util import _pywrap_util_port

from adapters import cpu
from adapters.base import DEFAULT, NO_DIRECTIONS, Choices, Program, Unsupported
from adapters.compatible import check
from adapters.extend import Extended, with_sides
from harness.workload.expected import Departures
from harness.workload.ops import CATALOGUE
from harness.workload.trace import Graph

from . import departures
from .compiled import CompiledProgram
from .eager import EagerProgram
from .rules import ByHand, Reverse
from .update import Update


class Adapter:
    """One framework on one device; see `adapters/base.py`."""

    executions: ClassVar[tuple[str, ...]] = ("eager", "graph", "xla")

    def __init__(self, device: str, threads: int, precision: str) -> None:
        if precision == "tf32" and device != "cuda":
            raise Unsupported("tf32 is a mode of NVIDIA's tensor cores; a CPU has none.")
        self._gpu = _choose_device(device)
        _set_threads(threads)
        # One switch for matmul and convolution; on by default.
        tf.config.experimental.enable_tensor_float_32_execution(precision == "tf32")
        tf.config.experimental.set_synchronous_execution(True)
        self.precision = precision

    def describe(self) -> dict[str, str]:
        build = tf.sysconfig.get_build_info()
        described = {
            "tensorflow": tf.__version__,
            "numpy": np.__version__,
            "device": self._gpu or "cpu",
            "precision": self.precision,
            "intra_op_threads": str(tf.config.threading.get_intra_op_parallelism_threads()),
            "inter_op_threads": str(tf.config.threading.get_inter_op_parallelism_threads()),
            "tf32": "on" if tf.config.experimental.tensor_float_32_execution_enabled() else "off",
            "denormals": "flushed",
            "onednn": "on" if _onednn_on() else "off",
            "onednn_instructions": cpu.onednn_level(),  # with it off as well: Eigen calls oneDNN's sgemm
        }
        if self._gpu:
            described |= {name: str(build.get(f"{name}_version", "")) for name in ("cuda", "cudnn")}
        return described

    def load(
        self,
        graph: Graph,
        arrays: Mapping[str, np.ndarray],
        execution: str,
        choices: Choices = DEFAULT,
        directions: Mapping[str, np.ndarray] = NO_DIRECTIONS,
    ) -> Program:
        if execution not in self.executions:
            raise Unsupported(f"tensorflow runs {', '.join(self.executions)}; it has no execution {execution!r}.")
        check(graph, choices, self.precision)
        choices.refuse("TensorFlow", "fusion")
        self._check_kernels(choices.kernels, execution)
        if choices.attention == "fused":
            raise Unsupported("TensorFlow has no fused attention kernel; choose attention=native")
        if choices.layout == "nchw":
            raise Unsupported("TensorFlow's images are NHWC here, as its kernels for a CPU want them; choose native")
        if choices.tangent and any(CATALOGUE[call.op].has_loop for call in graph.calls):
            raise Unsupported(
                "TensorFlow's loops here have a gradient, but no forward mode; choose model.loop=unrolled"
            )
        values = {name: self._convert(arrays[name]) for name in graph.draws}
        along = {name: self._convert(array) for name, array in directions.items()}

        def make(part: Graph) -> Program:
            xla = execution == "xla"
            rule = Reverse(part, choices, xla) if choices.autodiff == "reverse" else ByHand(part, choices)
            if execution == "eager":
                return EagerProgram(part, rule, values, choices, along)
            return CompiledProgram(part, rule, values, choices, along, jit=xla)

        program = with_sides(graph, make)
        if choices.optimizer == "none":
            return program
        update = Update(choices.optimizer, program.parameters(), execution)
        return Extended(program, {"update": update}, lambda: {"update": update.executed(program.gradient())})

    def _check_kernels(self, kernels: str, execution: str) -> None:
        """Raise Unsupported unless the kernels that were chosen are those in force."""
        if kernels == "native":
            return
        if self._gpu or execution == "xla":
            raise Unsupported(f"kernels={kernels} switches neither a GPU's kernels nor XLA's; choose kernels=native")
        if _onednn_on() != (kernels == "onednn"):
            is_on = "on" if _onednn_on() else "off"
            raise Unsupported(
                f"TensorFlow was imported with oneDNN {is_on}, and kernels={kernels} cannot change that; "
                "import it with TF_ENABLE_ONEDNN_OPTS=1 or 0"
            )

    def departures(self, execution: str, choices: Choices) -> Departures:
        return departures.departures(execution, choices)

    def wait(self, value: Any) -> None:
        """On a CPU everything is computed when a call returns, and this is short; on a GPU it waits for all streams."""
        tf.test.experimental.sync_devices()

    def device_seconds(self, call: Callable[[], Any]) -> tuple[Any, None]:
        """TensorFlow gives no access to the events of its streams."""
        return call(), None

    def _convert(self, array: np.ndarray) -> tf.Tensor:
        if array.dtype.kind == "f":
            return tf.constant(array, tf.bfloat16 if self.precision == "bf16" else tf.float32)
        if array.dtype.kind == "b":
            return tf.constant(array)
        # On a GPU, TensorFlow keeps int32 in host memory, to be copied in every call; int64 lives on the device.
        return tf.constant(array, tf.int64 if self._gpu else tf.int32)


def _onednn_on() -> bool:
    """Whether TensorFlow computes with oneDNN's operations: by TF_ENABLE_ONEDNN_OPTS, else by what the CPU has."""
    return _pywrap_util_port.IsMklEnabled()


def _choose_device(device: str) -> str:
    """Make the device the only one, so that nothing else can be used by default. Returns the name of a GPU, or ''."""
    gpus = tf.config.list_physical_devices("GPU")
    if device == "cuda":
        if not gpus:
            raise Unsupported("This machine, or this build of TensorFlow, has no CUDA device.")
        _before_start(lambda: tf.config.set_visible_devices(gpus[:1], "GPU"), "another device")
        _before_start(lambda: tf.config.experimental.set_memory_growth(gpus[0], True), "all GPU memory taken")
        return str(tf.config.experimental.get_device_details(gpus[0]).get("device_name", "cuda"))
    if device != "cpu":
        raise Unsupported(f"tensorflow runs on cpu and cuda; {device!r} is neither.")
    _before_start(lambda: tf.config.set_visible_devices([], "GPU"), "a GPU")
    return ""


def _set_threads(threads: int) -> None:
    threading = tf.config.threading
    if threading.get_intra_op_parallelism_threads() != threads:
        _before_start(lambda: threading.set_intra_op_parallelism_threads(threads), "other threads")
    if threading.get_inter_op_parallelism_threads() != threads:
        _before_start(lambda: threading.set_inter_op_parallelism_threads(threads), "other threads")


def _before_start(setting: Callable[[], None], running: str) -> None:
    """Settings hold until the process ends: the first op fixes them, and to repeat them is no error."""
    try:
        setting()
    except RuntimeError as error:
        raise Unsupported(f"TensorFlow already runs in this process, with {running}: {error}") from error
