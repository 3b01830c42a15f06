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
from harness.workload.own_truth import Truth
from harness.workload.trace import Graph

from ..base import Program, Unsupported
from ..choices import Choices
from ..common import cpu
from ..common.adapter import CommonAdapter
from ..common.own_model import OwnModel
from ..common.program import CoreRequest
from ..common.refusals import check_device
from ..replicated import REPLICATED_PHASES
from . import attention, departures, determinism, events, modes, ops, own, replicated
from .arithmetic import TorchArithmetic
from .compiled_lstm import check_compiled_lstm
from .eager import Eager
from .manual import Manual
from .own_truth import own_truth
from .peers import Peers
from .refusals import refusal
from .replica import Replica
from .toolchain import require_compiler
from .update import Update


class Adapter(CommonAdapter):
    """torch on one device. Its settings are process-wide: those of the last adapter made are in force."""

    name: ClassVar[str] = "torch"
    lacks: ClassVar[tuple[str, ...]] = ("fusion",)
    executions: ClassVar[tuple[str, ...]] = ("eager", "compile")

    def __init__(self, device: str, threads: int, precision: str) -> None:
        _require(device, precision)
        super().__init__(precision)
        self._device = torch.device(device)
        self._peers: Peers | None = None  # the processes of other replicas
        self._dtype = {"bf16": torch.bfloat16, "fp64": torch.float64}.get(precision, torch.float32)
        # Before the first parallel region: its threads inherit the flushing of denormals from this one.
        torch.set_flush_denormal(True)
        torch.set_num_threads(threads)
        tf32 = precision == "tf32"
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = tf32

    def describe(self) -> dict[str, str]:
        facts = {
            "torch": str(torch.__version__),
            "device": f"CPU, {torch.backends.cpu.get_cpu_capability()}",
            "threads": str(torch.get_num_threads()),
            "precision": self._precision,
            "float32_matmul_precision": torch.get_float32_matmul_precision(),
            "denormals": "kept" if torch.tensor(1e-40).mul(1).item() else "flushed",
            "layout": "NCHW",
            "attention_kernels": " ".join(attention.allowed()),
            "deterministic": "yes" if torch.are_deterministic_algorithms_enabled() else "no",
            "onednn": "on" if torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled else "off",
            "onednn_version": _built_with(r"MKL-DNN (v[\w.]+)"),
            "onednn_instructions": cpu.onednn_level(),
            "blas": _built_with(r"BLAS_INFO=(\w+)"),
            "mkl_version": _built_with(r"Math Kernel Library Version ([\d.]+)"),
        }
        if self._peers:
            facts["replicas"] = f"{1 + len(self._peers.ids)} processes, DDP, {torch.distributed.get_backend()}"
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

    def _apply_process_settings(self, execution: str, choices: Choices) -> None:
        self._use_onednn(choices.kernels)
        attention.use(choices.attention, self._device)
        determinism.use(choices.deterministic, self._device)
        modes.check_mode(choices.mode, execution, self._device)
        if execution == "compile" and self._device.type == "cpu":
            require_compiler()

    def _prepare(self, graph: Graph, execution: str, choices: Choices) -> None:
        super()._prepare(graph, execution, choices)
        ops_used = {call.op for call in graph.calls}
        if choices.tangent and choices.attention not in ("unfused", "math") and "attention" in ops_used:
            raise Unsupported("torch: its fused attention has no forward mode; choose attention=unfused")
        if choices.tangent and "lstm" in ops_used:
            raise Unsupported("torch: its fused LSTM has no forward mode; choose model.loop=unrolled")
        if choices.tangent:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # what its first call imports still uses torch.jit
                torch.func.jvp(torch.relu, (torch.zeros(1),), (torch.zeros(1),))
        by_onednn = self._device.type == "cpu" and choices.kernels != "plain"
        if execution == "compile" and by_onednn and choices.autodiff == "reverse" and self._precision != "fp64":
            check_compiled_lstm(graph)

    def _program(self, request: CoreRequest, execution: str, choices: Choices) -> Program:
        """Each program has its own copies of the arrays, for only what it differentiates may record a gradient."""
        where, mixed = (self._device, self._dtype), self._precision == "bf16_mixed"
        if execution == "compile":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # the compiler still uses torch.jit
                from . import compiled, compiled_manual, cuda_graphs  # seconds that eager need not wait for
        if choices.autodiff != "reverse" and execution == "eager":
            return Manual(request, *where, choices.autodiff, mixed)
        records = choices.mode in modes.RECORDS
        if choices.autodiff != "reverse":
            manual = cuda_graphs.ReplayedManual if records else compiled_manual.CompiledManual
            return manual(request, *where, choices.autodiff, mixed, choices.mode)
        op = ops.unfused_attention if choices.attention == "unfused" else ops.attention
        namespace = SimpleNamespace(**vars(ops) | {"attention": op})
        nhwc = choices.layout == "nhwc" or (
            choices.layout == "native" and execution == "compile" and self._device.type == "cuda"
        )
        image_format = torch.channels_last if nhwc else torch.contiguous_format
        arguments = request, *where, image_format, namespace, choices.residuals, mixed
        if execution == "eager":
            return (Replica if request.phases == REPLICATED_PHASES else Eager)(*arguments)
        return (cuda_graphs.Replayed if records else compiled.Compiled)(*arguments, choices.mode)

    def _replicated(
        self, graph: Graph, arrays: Mapping[str, np.ndarray], execution: str, choices: Choices
    ) -> replicated.Replicated:
        program = replicated.load(self, self._device.type, self._precision, graph, arrays, execution, choices)
        self._peers = program.peers
        return program

    def replica(self, graph: Graph, arrays: Mapping[str, np.ndarray], choices: Choices) -> Replica:
        """This process's replica, once it has met the others."""
        self._apply_process_settings("eager", choices)
        program = self._program(CoreRequest(graph, arrays, REPLICATED_PHASES), "eager", choices)
        assert isinstance(program, Replica)
        return program

    def _own_program(self, model: OwnModel, execution: str, choices: Choices) -> Program:
        built_model = own.rebuild_model(model, self._device)
        if execution == "eager":
            return own.Own(built_model)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the compiler still uses torch.jit
            from .own_compiled import OwnCompiled  # seconds that eager need not wait for
        return OwnCompiled(built_model, choices.mode)

    def own_truth(self, model: OwnModel) -> Truth:
        _require(self._device.type, model.workload.precision)
        return own_truth(model, self._device)

    def _update(self, optimizer: str, core: Program, execution: str) -> Update:
        return Update(optimizer, core)

    def arithmetic(self) -> TorchArithmetic:
        return TorchArithmetic(self._device)

    def _use_onednn(self, kernels: str) -> None:
        """Switch oneDNN for all that is computed from now on."""
        if kernels != "native" and self._device.type != "cpu":
            raise Unsupported(f"torch: kernels={kernels} is about a CPU's kernels; choose kernels=native on a GPU")
        if kernels == "onednn" and not torch.backends.mkldnn.is_available():
            raise Unsupported("torch: this build has no oneDNN; choose kernels=native")
        if kernels == "plain" and self._precision.startswith("bf16"):
            raise Unsupported("torch: without oneDNN a bf16 multiply takes 150 times as long; choose kernels=native")
        torch.backends.mkldnn.enabled = kernels != "plain"

    def refusal(self, error: Exception) -> Unsupported | None:
        return refusal(error)

    def departures(self, execution: str, choices: Choices) -> Departures:
        dtype = torch.bfloat16 if self._precision == "bf16_mixed" else self._dtype
        by_onednn = choices.kernels != "plain" and self._precision != "fp64"  # which has no LSTM in float64
        return departures.departures(
            execution,
            choices,
            lambda graph, call: attention.is_fused(graph, call, self._device, dtype),
            fuses_lstms=by_onednn or self._device.type == "cuda",
        )

    def wait(self, value: Any) -> None:
        # On a CPU an op returns when its result is computed.
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        if self._peers:
            self._peers.wait()

    def peak_bytes(self, call: Callable[[], Any]) -> tuple[Any, int | None]:
        if self._device.type == "cpu":
            return call(), None
        self.wait(None)
        torch.cuda.reset_peak_memory_stats(self._device)
        result = call()
        self.wait(result)
        return result, torch.cuda.max_memory_allocated(self._device)

    def device_seconds(self, call: Callable[[], Any]) -> tuple[Any, float | None]:
        return (call(), None) if self._device.type == "cpu" else events.device_seconds(call)

    def overwriting(self, size: int) -> Callable[[], Any]:
        buffer = torch.zeros(size // 4, device=self._device)
        return lambda: buffer.add_(1)


def _require(device: str, precision: str) -> None:
    """Raise Unsupported unless this machine can compute on `device` in `precision`."""
    check_device("torch", device, precision)
    if device == "cpu":
        if precision.startswith("bf16") and not _fast_bf16():
            raise Unsupported("torch: this CPU has no bf16 instructions, and without them torch is 150 times slower")
        return
    if not torch.cuda.is_available():
        raise Unsupported("torch: no CUDA device was found, or this build of torch is for CPUs alone")
    if precision in ("tf32", "bf16") and torch.cuda.get_device_capability() < (8, 0):
        raise Unsupported(f"torch: {precision} needs compute capability 8.0; {torch.cuda.get_device_name()} is older")


def _built_with(pattern: str) -> str:
    """What torch says of its own build; empty where it does not."""
    match = re.search(pattern, torch.__config__.show())
    return match[1] if match else ""


def _fast_bf16() -> bool:
    """Whether oneDNN multiplies bf16 on this CPU; torch's own loop is hopeless."""
    return torch.ops.mkldnn._is_mkldnn_bf16_supported()
