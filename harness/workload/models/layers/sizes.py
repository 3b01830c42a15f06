"""A size that a model got after it had been measured: at its default the workload is the one that it was before."""

from __future__ import annotations

import dataclasses
from typing import Any

_NEWER = {"newer": True}


def newer(default: Any) -> Any:
    """The field of such a size: left at its default, it is no part of the workload's identity."""
    return dataclasses.field(default=default, metadata=_NEWER)


def is_newer(field: dataclasses.Field[Any]) -> bool:
    """Whether a field was made by `newer`."""
    return "newer" in field.metadata
