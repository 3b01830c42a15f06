"""Torch on one device: its settings, and workloads loaded in one of two executions."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import torch

from harness.workload.expected import Departures
from harness.workload.trace import Graph

from .. import cpu
from ..base import DEFAULT, NO_DIRECTIONS, Choices, Program, Unsupported
from ..compatible import check
from ..extend import Extended, with_sides
from . import departures, ops
from .by_hand import ByHand
from .eager import Eager
from .toolchain import require_compiler
from .update import Update


class Adapter:
    """Settings are process-wide, as torch's are: the last adapter made is in force."""

    executions: ClassVar[tuple[str, ...]] = ("eager", "compile")

    def __init__(self, device: str, threads: int, precision: str) -> None:
        _require(device, precision)
        self._device = torch.device(device)
        self._precision = precision
        self._dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        # Before the first parallel region: its threads inherit the flushing of denormals from this one.
        torch.set_flush_denormal(True)
        torch.set_num_threads(threads)
        tf32 = precision == "tf32"
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = tf32
        torch.backends.cudnn.benchmark = True  # JAX and TensorFlow tune their convolutions too

    def describe(self) -> dict[str, str]:
        facts = {
            "torch": str(torch.__version__),
            "device": f"CPU, {torch.backends.cpu.get_cpu_capability()}",
            "threads": str(torch.get_num_threads()),
            "precision": self._precision,
            "float32_matmul_precision": torch.get_float32_matmul_precision(),
            "denormals": "kept" if torch.tensor(1e-40).mul(1).item() else "flushed",
            "layout": "NCHW",
            "onednn": "on" if torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled else "off",
            "onednn_version": _built_with(r"MKL-DNN (v[\w.]+)"),
            "onednn_instructions": cpu.onednn_level(),
            "blas": _built_with(r"BLAS_INFO=(\w+)"),
            "mkl_version": _built_with(r"Math Kernel Library Version ([\d.]+)"),
        }
        if self._device.type == "cuda":
            facts |= {
                "device": torch.cuda.get_device_name(self._device),
                "layout": "NCHW, and channels_last in memory where compiled",
                "cuda": str(torch.version.cuda),
                "cudnn": str(torch.backends.cudnn.version()),
                "cudnn.allow_tf32": str(torch.backends.cudnn.allow_tf32),
                "cudnn.benchmark": str(torch.backends.cudnn.benchmark),
            }
        return facts

    def load(
        self,
        graph: Graph,
        arrays: Mapping[str, np.ndarray],
        execution: str,
        choices: Choices = DEFAULT,
        directions: Mapping[str, np.ndarray] = NO_DIRECTIONS,
    ) -> Program:
        if execution not in self.executions:
            raise Unsupported(f"torch has no execution {execution!r}; it has {', '.join(self.executions)}")
        check(graph, choices, self._precision)
        choices.refuse("torch", "fusion")
        self._use_onednn(choices.kernels)
        ops_used = {call.op for call in graph.calls}
        if choices.tangent and choices.attention != "unfused" and "attention" in ops_used:
            raise Unsupported("torch's fused attention has no forward mode; choose attention=unfused")
        if choices.tangent and "lstm" in ops_used:
            raise Unsupported("torch's fused LSTM has no forward mode; choose model.loop=unrolled")
        if choices.tangent:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # what its first call imports still uses torch.jit
                torch.func.jvp(torch.relu, (torch.zeros(1),), (torch.zeros(1),))
        program = with_sides(graph, lambda part: self._program(part, arrays, execution, choices, directions))
        if choices.optimizer == "none":
            return program
        update = Update(choices.optimizer, program.parameters())
        return Extended(program, {"update": update}, lambda: {"update": update.executed(program.gradient())})

    def _program(
        self,
        graph: Graph,
        arrays: Mapping[str, np.ndarray],
        execution: str,
        choices: Choices,
        directions: Mapping[str, np.ndarray],
    ) -> Program:
        where = self._device, self._dtype
        nhwc = choices.layout == "nhwc"
        if execution == "compile":
            if self._device.type == "cpu":
                require_compiler()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # the compiler still uses torch.jit
                from . import compiled, compiled_by_hand  # seconds that eager need not wait for
            if choices.autodiff == "reverse" and self._device.type == "cpu" and choices.kernels != "plain":
                _check_compiled_lstm(graph)
            nhwc |= choices.layout == "native" and self._device.type == "cuda"
        if choices.autodiff != "reverse":
            by_hand = compiled_by_hand.CompiledByHand if execution == "compile" else ByHand
            return by_hand(graph, arrays, *where, choices.autodiff)
        attention = ops.unfused_attention if choices.attention == "unfused" else ops.attention
        namespace = SimpleNamespace(**vars(ops) | {"attention": attention})
        program = compiled.Compiled if execution == "compile" else Eager
        image_format = torch.channels_last if nhwc else torch.contiguous_format
        return program(graph, arrays, *where, image_format, namespace, choices.residuals, directions)

    def _use_onednn(self, kernels: str) -> None:
        """Switch oneDNN for all that is computed from now on."""
        if kernels != "native" and self._device.type != "cpu":
            raise Unsupported(f"kernels={kernels} is about a CPU's kernels; choose kernels=native on a GPU")
        if kernels == "onednn" and not torch.backends.mkldnn.is_available():
            raise Unsupported("this build of torch has no oneDNN; choose kernels=native")
        if kernels == "plain" and self._precision == "bf16":
            raise Unsupported("torch: without oneDNN a bf16 multiply takes 150 times as long; choose kernels=native")
        torch.backends.mkldnn.enabled = kernels != "plain"

    def departures(self, execution: str, choices: Choices) -> Departures:
        return departures.departures(execution, choices)

    def wait(self, value: Any) -> None:
        # On a CPU an op returns when its result is computed.
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def device_seconds(self, call: Callable[[], Any]) -> tuple[Any, float | None]:
        if self._device.type == "cpu":
            return call(), None
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        result = call()
        end.record()
        end.synchronize()
        return result, start.elapsed_time(end) / 1e3


def _require(device: str, precision: str) -> None:
    """Raise Unsupported unless this machine can compute on `device` in `precision`."""
    if device not in ("cpu", "cuda"):
        raise Unsupported(f"torch: device {device!r} is neither cpu nor cuda")
    if precision not in ("fp32", "tf32", "bf16"):
        raise Unsupported(f"torch: precision {precision!r} is none of fp32, tf32, bf16")
    if device == "cpu":
        if precision == "tf32":
            raise Unsupported("torch: tf32 is a mode of NVIDIA's tensor cores; a CPU has none")
        if precision == "bf16" and not _fast_bf16():
            raise Unsupported("torch: this CPU has no bf16 instructions, and without them torch is 150 times slower")
        return
    if not torch.cuda.is_available():
        raise Unsupported("torch: no CUDA device was found, or this build of torch is for CPUs alone")
    if precision != "fp32" and torch.cuda.get_device_capability() < (8, 0):
        raise Unsupported(f"torch: {precision} needs compute capability 8.0; {torch.cuda.get_device_name()} is older")


def _built_with(pattern: str) -> str:
    """What torch says of its own build; empty where it does not."""
    found = re.search(pattern, torch.__config__.show())
    return found[1] if found else ""


def _fast_bf16() -> bool:
    """Whether oneDNN multiplies bf16 on this CPU; torch's own loop is hopeless."""
    return torch.ops.mkldnn._is_mkldnn_bf16_supported()


def _check_compiled_lstm(graph: Graph) -> None:
    """Raises Unsupported where torch.compile fails for `torch.nn.LSTM` itself: oneDNN returns no workspace then."""
    if any(call.op == "lstm" and call.inputs[0] not in graph.needs_gradient for call in graph.calls):
        raise Unsupported(
            "torch.compile fails for oneDNN's LSTM where its input needs no gradient, torch.nn.LSTM too; "
            "choose gradients=both or choices.kernels=plain"
        )
