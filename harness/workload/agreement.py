"""How far a framework's loss and gradients are from the oracle's, and how far they may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .reference import Reference

# Relative limits by precision: rounding is 2^-24 in fp32, 2^-11 in tf32 multiplies and 2^-9 in bf16.
LOSS_LIMIT = {"fp32": 1e-5, "tf32": 5e-3, "bf16": 2e-2}
GRADIENT_LIMIT = {"fp32": 1e-4, "tf32": 2e-2, "bf16": 2e-1}

# A gradient below this share of the whole is zero in exact arithmetic; what is left is float64 noise.
STRUCTURAL_ZERO = 1e-12


@dataclass(frozen=True)
class Agreement:
    """Relative error of the loss, and norm-wise relative error of each gradient, by parameter name."""

    loss: float
    gradients: dict[str, float]

    @property
    def worst(self) -> tuple[str, float]:
        """The parameter whose gradient is furthest off, and how far. NaN counts as furthest."""
        name = max(self.gradients, key=lambda n: np.nan_to_num(self.gradients[n], nan=np.inf))
        return name, self.gradients[name]

    def failure(self, precision: str) -> str | None:
        """One sentence that says what is outside its limit, or None."""
        if not self.loss <= LOSS_LIMIT[precision]:
            return f"the loss is off by {self.loss:.2g} relative; {precision} allows {LOSS_LIMIT[precision]:g}"
        name, error = self.worst
        if not error <= GRADIENT_LIMIT[precision]:
            return (
                f"the gradient of {name} is off by {error:.2g} of its norm; "
                f"{precision} allows {GRADIENT_LIMIT[precision]:g}"
            )
        return None


def agreement(losses: Sequence[float], answers: Sequence[Mapping[str, np.ndarray]], expected: Reference) -> Agreement:
    """Compare several losses and sets of gradients with the oracle; each error is the worst among them.

    The error of one gradient is |g - r| / |r| in the Euclidean norm. Where r is zero in exact arithmetic (a
    bias before a batch norm), its norm is replaced by that of the whole gradient. Raises ValueError where
    names or shapes differ.
    """
    norms = {name: float(np.linalg.norm(g)) for name, g in expected.gradients.items()}
    total = expected.norm
    errors = dict.fromkeys(norms, 0.0)
    for gradients in answers:
        if set(gradients) != set(norms):
            raise ValueError(f"gradients differ in name: {sorted(set(gradients) ^ set(norms))}")
        for name, wanted in expected.gradients.items():
            if gradients[name].shape != wanted.shape:
                raise ValueError(f"gradient of {name}: shape {gradients[name].shape}, expected {wanted.shape}")
            scale = norms[name] if norms[name] > STRUCTURAL_ZERO * total else total
            difference = float(np.linalg.norm(np.asarray(gradients[name], np.float64) - wanted))
            errors[name] = _larger(errors[name], difference / (scale or 1.0))
    loss_error = 0.0
    for loss in losses:
        loss_error = _larger(loss_error, abs(loss - expected.loss) / (abs(expected.loss) or 1.0))
    return Agreement(loss_error, errors)


def _larger(a: float, b: float) -> float:
    """The larger of two errors; NaN is the largest."""
    return a if a > b or np.isnan(a) else b
