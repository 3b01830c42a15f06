"""A plain nn.Module."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def build(batch: int = 64, width: int = 256, depth: int = 4) -> Any:
    layers = [layer for _ in range(depth) for layer in (nn.Linear(width, width), nn.ReLU())]
    x, y = torch.randn(batch, width), torch.randn(batch, width)

    def loss(model: Any, batch: Any) -> torch.Tensor:
        return nn.functional.mse_loss(model(batch[0]), batch[1])

    return nn.Sequential(*layers), (x, y), loss
