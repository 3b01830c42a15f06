"""Measures workloads: workers, clock, rounds, statistics. Imports no framework.

Called as a function, as in `from harness import measure`, it measures what it is asked for (`harness/notebook.py`).
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    """A package and a function of the same name: whoever imports `measure` has both, in whatever order."""

    def __call__(self, *overrides: str, **settings: Any) -> Any:
        return importlib.import_module("harness.notebook").measure(*overrides, **settings)


sys.modules[__name__].__class__ = _Callable
