"""Replaces one value of a good config."""

from __future__ import annotations

from typing import Any


def spoil(plain: dict[str, Any], key: str, value: Any) -> None:
    *path, last = key.split(".")
    for part in path:
        plain = plain[part]
    plain[last] = value
