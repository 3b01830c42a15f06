"""Which kernel torch's attention runs: the switches of `torch.nn.attention.sdpa_kernel`, for the whole process."""

from __future__ import annotations

import torch
from torch.nn.attention import SDPBackend

from harness.workload.backprop import wants
from harness.workload.trace import Call, Graph

from ..base import Unsupported

KERNELS = ("flash", "efficient", "cudnn", "math")
_OF_A_CPU = ("flash", "math")


def allowed() -> list[str]:
    """The kernels among which torch chooses, by name."""
    switches = (
        torch.backends.cuda.flash_sdp_enabled(),
        torch.backends.cuda.mem_efficient_sdp_enabled(),
        torch.backends.cuda.cudnn_sdp_enabled(),
        torch.backends.cuda.math_sdp_enabled(),
    )
    return [kernel for kernel, enabled in zip(KERNELS, switches, strict=True) if enabled]


_NATIVE = allowed()


def use(attention: str, device: torch.device) -> None:
    """Allow torch the one kernel that the choice names, or those that it allows itself; from now on.

    Raises Unsupported for what no CPU has. Whether a GPU's kernel takes the arrays at hand, its first call says.
    """
    if attention in KERNELS and device.type == "cpu" and attention not in _OF_A_CPU:
        raise Unsupported(f"torch: attention={attention} is a GPU's kernel; choose fused, {' or '.join(_OF_A_CPU)}")
    for kernel, enable in (
        ("flash", torch.backends.cuda.enable_flash_sdp),
        ("efficient", torch.backends.cuda.enable_mem_efficient_sdp),
        ("cudnn", torch.backends.cuda.enable_cudnn_sdp),
        ("math", torch.backends.cuda.enable_math_sdp),
    ):
        enable(kernel == attention if attention in KERNELS else kernel in _NATIVE)
    # Without this, torch multiplies 16-bit arrays in float32 there.
    torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(attention == "math")


def is_fused(graph: Graph, call: Call, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether torch runs a call of attention in one kernel, by its own choice among those that `use` allows."""
    heads, groups = call.attrs["heads"], call.attrs.get("kv_heads") or call.attrs["heads"]

    def like(position: int, heads: int) -> torch.Tensor:
        batch, positions, width = graph.specs[call.inputs[position]].shape
        array = torch.empty(batch, positions, heads, width // heads, dtype=dtype, device=device).transpose(1, 2)
        return array.requires_grad_(wanting[position])

    wanting = wants(graph, call)
    mask = None
    if len(call.inputs) == 4:
        spec = graph.specs[call.inputs[3]]
        shape = (spec.shape[0], 1, 1, spec.shape[1]) if len(spec.shape) == 2 else spec.shape
        mask = torch.empty(shape, dtype=torch.bool if spec.kind == "bool" else dtype, device=device)
        mask.requires_grad_(wanting[3])
    chosen = torch._fused_sdp_choice(
        like(0, heads),
        like(1, groups),
        like(2, groups),
        mask,
        is_causal=call.attrs["causal"],
        enable_gqa=groups != heads,
    )
    return chosen != SDPBackend.MATH.value
