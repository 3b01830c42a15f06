"""What an array is before it has values: its shape, and what it holds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


class WorkloadError(ValueError):
    """A model or an op was asked for something that cannot be computed; the message names the value."""


@dataclass(frozen=True)
class Spec:
    """Shape of an array, and what it holds.

    That is numbers of the workload's precision (`float`; `constant` where they never have a gradient), int32
    indices (`int`) or truth values (`bool`).
    """

    shape: tuple[int, ...]
    kind: Literal["float", "constant", "int", "bool"] = "float"

    @property
    def size(self) -> int:
        return math.prod(self.shape)
