"""torch's switches for the same bits from every call, as its notes on reproducibility list them."""

from __future__ import annotations

import os

import torch

from ..base import Unsupported


def use(deterministic: bool, device: torch.device) -> None:
    """For all that is computed from now on. What torch has no deterministic kernel for raises in its first call."""
    if deterministic and device.type == "cuda" and "CUBLAS_WORKSPACE_CONFIG" not in os.environ:
        raise Unsupported(
            "torch: cuBLAS is deterministic only if CUBLAS_WORKSPACE_CONFIG=:4096:8 is set when it starts"
        )
    torch.backends.cudnn.benchmark = not deterministic  # JAX and TensorFlow tune their convolutions too
    if torch.are_deterministic_algorithms_enabled() != deterministic:
        torch.use_deterministic_algorithms(deterministic)
    # Filling memory before it is written finds bugs, and takes time that no deterministic kernel does.
    torch.utils.deterministic.fill_uninitialized_memory = False
