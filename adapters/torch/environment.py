"""The variables that torch reads when it is imported."""

import os
from pathlib import Path

if folder := os.environ.get("TWOFOLD_CACHE_DIR"):
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(Path(folder) / "torchinductor")
