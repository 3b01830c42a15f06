"""The oracle: loss and every gradient in float64, by the catalogue's hand-written backward rules.

It is NumPy's. For large workloads a framework on its device may stand in for it (`harness/sweep/references.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from . import rounding
from .arithmetic import NUMPY, Arithmetic, answer
from .rounding import Errors
from .trace import Graph

# A gradient below this share of the whole is zero in exact arithmetic; what is left is float64 noise.
STRUCTURAL_ZERO = 1e-12


@dataclass(frozen=True)
class Reference:
    """What every framework must agree with: the loss, and the gradient of each source by name.

    `allowed` is how far a correct float32 program may be off; a gradient that it does not name has the least. A graph
    without a loss has `outputs`, by the names of their cotangents; `loss` is then the sum of their products with them,
    the number whose gradients these are. `source` says where it was computed.
    """

    loss: float
    gradients: dict[str, np.ndarray]
    allowed: Errors = field(default_factory=Errors)
    outputs: dict[str, np.ndarray] = field(default_factory=dict)
    source: str = NUMPY.source

    def of(self, names: Iterable[str]) -> Reference:
        """Return this reference with only the named gradients."""
        return replace(self, gradients={name: self.gradients[name] for name in names})

    def along(self, directions: Mapping[str, np.ndarray]) -> float:
        """The derivative of the loss along `directions`: the gradient times them."""
        return sum(float(np.vdot(g, np.asarray(directions[name], np.float64))) for name, g in self.gradients.items())

    @property
    def norm(self) -> float:
        """The Euclidean norm of all gradients together."""
        return float(np.linalg.norm([np.linalg.norm(gradient) for gradient in self.gradients.values()]))

    def loss_error(self, result: float | Mapping[str, np.ndarray]) -> float:
        """How far a loss is off, relative to this one; or all outputs together, relative to their Euclidean norm.

        Raises ValueError where an output's shape differs.
        """
        if not isinstance(result, Mapping):
            return abs(result - self.loss) / (abs(self.loss) or 1.0)
        differences = []
        for name, wanted in self.outputs.items():
            if result[name].shape != wanted.shape:
                raise ValueError(f"output of {name}: shape {result[name].shape}, expected {wanted.shape}")
            differences.append(np.linalg.norm(np.asarray(result[name], np.float64) - wanted))
        norm = np.linalg.norm([np.linalg.norm(wanted) for wanted in self.outputs.values()])
        return float(np.linalg.norm(differences) / (norm or 1.0))

    def gradient_errors(self, gradients: Mapping[str, np.ndarray]) -> dict[str, float]:
        """How far each gradient is off: |g - r| / |r| in the Euclidean norm.

        Where r is zero in exact arithmetic (a bias before a batch norm), its norm is replaced by that of the whole
        gradient. Raises ValueError where names or shapes differ.
        """
        if set(gradients) != set(self.gradients):
            raise ValueError(f"gradients differ in name: {sorted(set(gradients) ^ set(self.gradients))}")
        total, errors = self.norm, {}
        for name, wanted in self.gradients.items():
            if gradients[name].shape != wanted.shape:
                raise ValueError(f"gradient of {name}: shape {gradients[name].shape}, expected {wanted.shape}")
            norm = float(np.linalg.norm(wanted))
            scale = norm if norm > STRUCTURAL_ZERO * total else total
            difference = float(np.linalg.norm(np.asarray(gradients[name], np.float64) - wanted))
            errors[name] = difference / (scale or 1.0)
        return errors


def reference(graph: Graph, arrays: Mapping[str, np.ndarray], arithmetic: Arithmetic = NUMPY) -> Reference:
    """Loss and float64 gradients of `graph` for the named parameters and inputs in `arrays`."""
    result, gradients = answer(graph, arrays, np.float64, arithmetic)
    outputs = result if isinstance(result, dict) else {}
    loss = result if isinstance(result, float) else projected(outputs, arrays)
    exact = Reference(loss, gradients, outputs=outputs, source=arithmetic.source)
    result, gradients = rounding.answer_in_float32(graph, arrays, arithmetic)
    own = Errors(exact.loss_error(result), exact.gradient_errors(gradients))
    return replace(exact, allowed=rounding.allowed(graph, own))


def projected(outputs: Mapping[str, np.ndarray], cotangents: Mapping[str, np.ndarray]) -> float:
    """The sum of the products of outputs with their cotangents: the number whose gradients a backward pass computes."""
    return sum(
        float(np.vdot(np.asarray(y, np.float64), np.asarray(cotangents[name], np.float64)))
        for name, y in outputs.items()
    )
