"""The GPU driver's library, faked: a fresh copy of it for each test."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

FAKE = Path(__file__).parents[1] / "fakes" / "nvml" / "pynvml.py"


def fake_nvml() -> ModuleType:
    """Load the fake library; what a test changes in it, no other test sees."""
    spec = importlib.util.spec_from_file_location("fake_pynvml", FAKE)
    assert spec is not None and spec.loader is not None
    library = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(library)
    return library
