"""The catalogue's rules in torch, in any precision, for a reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.workload.arithmetic import Pass

from . import primitives


class TorchArithmetic:
    """Op by op on one device; shapes are canonical."""

    source = f"torch {torch.__version__.partition('+')[0]}, float64, by hand"
    primitives: Any = primitives

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def place(self, array: np.ndarray, dtype: type[np.floating]) -> Tensor:
        kinds = {"f": torch.float64 if dtype is np.float64 else torch.float32, "b": torch.bool}
        return torch.tensor(np.asarray(array), dtype=kinds.get(array.dtype.kind, torch.int64), device=self._device)

    def export(self, array: Tensor) -> np.ndarray:
        exported: np.ndarray = array.cpu().numpy()
        return exported

    def run(self, both: Pass, placed: Mapping[str, Tensor]) -> tuple[Any, dict[str, Tensor]]:
        return both(placed)
