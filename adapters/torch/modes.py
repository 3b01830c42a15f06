"""The modes of torch.compile, as a choice names them, in the compiler's own options."""

from __future__ import annotations

from typing import Any

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
