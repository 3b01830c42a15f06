"""The modes of torch.compile, as a choice names them, in the compiler's own options."""

from __future__ import annotations

from typing import Any

import torch

from ..base import Unsupported

_MODES = {
    "native": "default",
    "cudagraphs": "reduce-overhead",
    "autotune": "max-autotune-no-cudagraphs",
    "autotune_cudagraphs": "max-autotune",
}

RECORDS = ("cudagraphs", "autotune_cudagraphs")


def options(mode: str) -> dict[str, Any]:
    """Inductor's options. What it cannot record as a CUDA graph is an error, not slower code without a word."""
    from torch._inductor import list_mode_options  # seconds that eager need not wait for

    recording = {"triton.cudagraph_or_error": True} if mode in RECORDS else {}
    return list_mode_options(_MODES[mode]) | recording


def check_mode(mode: str, execution: str, device: torch.device) -> None:
    """Raise Unsupported where torch.compile has no such mode."""
    if mode != "native" and execution != "compile":
        raise Unsupported(f"torch: mode={mode} is one of torch.compile's; choose execution compile or mode=native")
    if mode in RECORDS and device.type != "cuda":
        raise Unsupported("torch: CUDA graphs need a GPU; choose mode=native or mode=autotune")
