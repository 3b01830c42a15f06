"""PyTorch: eager, and compiled by torch.compile with inductor."""

import os
from pathlib import Path

if _folder := os.environ.get("TWOFOLD_CACHE_DIR"):
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(Path(_folder) / "torchinductor")

# After the above: torch must not be imported before its cache folder is named.
from .adapter import Adapter

__all__ = ["Adapter"]
