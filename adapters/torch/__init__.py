"""PyTorch: eager, and compiled by torch.compile with inductor."""

from . import environment  # noqa: F401  (first, for torch reads it when it is imported)
from .adapter import Adapter

__all__ = ["Adapter"]
