"""What everything that measures needs to know of a workload: one of the catalogue, or a user's own model."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from .trace import Graph


class AnyWorkload(Protocol):
    """What is computed. `graph` is None for a user's own model: nobody has its trace."""

    @property
    def name(self) -> str:
        """The name by which a config chooses the model."""

    @property
    def precision(self) -> str:
        """The precision of multiplies, such as fp32."""

    @property
    def seed(self) -> int:
        """The seed from which weights and inputs are drawn."""

    @property
    def gradients(self) -> str:
        """The gradients that are asked for: params, inputs or both."""

    @property
    def frozen(self) -> str:
        """Which parameters get no gradient; empty where all do that are asked for."""

    @property
    def graph(self) -> Graph | None:
        """The trace, if there is one."""

    @property
    def label(self) -> str:
        """What a table calls the model."""

    @property
    def id(self) -> str:
        """Short, stable and readable; part of a file name."""

    @property
    def digest(self) -> str:
        """A digest that changes when the work changes although its settings do not."""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready: name, precision, seed, gradients, and the sizes by the names that a user types."""

    def cotangents(self) -> dict[str, np.ndarray]:
        """The gradient that arrives at each output of work without a loss, by name."""

    def directions(self) -> dict[str, np.ndarray]:
        """One direction for a tangent, by source."""
