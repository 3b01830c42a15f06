"""The variables that torch and its libraries read when they start."""

import os
from pathlib import Path

if os.environ.get("TWOFOLD_DETERMINISTIC") == "True":
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
if folder := os.environ.get("TWOFOLD_CACHE_DIR"):
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(Path(folder) / "torchinductor")
