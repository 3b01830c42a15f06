"""Imports a framework without packages that it only loads because it finds them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def hidden(*packages: str) -> Iterator[None]:
    """Have imports of these packages fail meanwhile, unless they are loaded already; later ones find them again."""
    modules: dict[str, Any] = sys.modules
    absent = [name for name in packages if name not in modules]
    modules.update(dict.fromkeys(absent))  # for None, Python raises ImportError
    try:
        yield
    finally:
        for name in absent:
            del modules[name]
