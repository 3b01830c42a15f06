"""The oracle: loss and every gradient in float64 NumPy, by the catalogue's hand-written backward rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from . import primitives
from .backprop import run_backward, run_forward
from .trace import Graph


@dataclass(frozen=True)
class Reference:
    """What every framework must agree with: the loss, and the gradient of each source by name."""

    loss: float
    gradients: dict[str, np.ndarray]

    def of(self, names: Iterable[str]) -> Reference:
        """The same with those gradients alone."""
        return Reference(self.loss, {name: self.gradients[name] for name in names})

    def along(self, directions: Mapping[str, np.ndarray]) -> float:
        """The derivative of the loss along `directions`: the gradient times them."""
        return sum(float(np.vdot(g, np.asarray(directions[name], np.float64))) for name, g in self.gradients.items())

    @property
    def norm(self) -> float:
        """Of the whole gradient."""
        return float(np.linalg.norm([np.linalg.norm(gradient) for gradient in self.gradients.values()]))


def reference(graph: Graph, arrays: Mapping[str, np.ndarray]) -> Reference:
    """Loss and float64 gradients of `graph` for the named parameters and inputs in `arrays`."""
    doubles = {name: array.astype(np.float64) if array.dtype.kind == "f" else array for name, array in arrays.items()}
    loss, steps = run_forward(primitives, graph, doubles)
    return Reference(float(loss), run_backward(primitives, graph, steps, np.float64(1.0)))
