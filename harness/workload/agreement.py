"""How far a framework's loss and gradients are from the oracle's, and how far they may be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .oracle import Reference
from .rounding import UNITS, Errors, gradient_limit

# In fp32 the limits are those of the workload (`rounding.py`). A multiply rounded to 2^-11 (tf32) or 2^-9 (bf16) puts
# inputs on the other side of a rectifier's corner, which costs a gradient about the square root of that, however well
# conditioned it is: one limit serves all. In float64 the limits are those of float32 in its own unit.
LOSS_LIMIT = {"tf32": 5e-3, "bf16": 2e-2, "bf16_mixed": 2e-2}
GRADIENT_LIMIT = {"tf32": 2e-2, "bf16": 2e-1, "bf16_mixed": 2e-1}

FLOAT64 = 2 * UNITS["fp64"] / UNITS["fp32"]  # twice, for the oracle rounds there as much as what it judges

# Of a tangent, or a step of an optimizer, measured against the whole gradient or step.
WHOLE_LIMIT = {"fp32": 1e-4, "fp64": 1e-4 * FLOAT64} | GRADIENT_LIMIT


@dataclass(frozen=True)
class Agreement:
    """Relative error of the loss, norm-wise relative error of each gradient by name, and what rounding allows of each.

    `result` says what `loss` is of: where a graph has no loss, of the output.
    """

    loss: float
    gradients: dict[str, float]
    allowed: Errors
    result: str = "loss"

    @property
    def worst(self) -> tuple[str, float]:
        """The parameter whose gradient is furthest off, and how far. NaN counts as furthest."""
        name = max(self.gradients, key=lambda n: np.nan_to_num(self.gradients[n], nan=np.inf))
        return name, self.gradients[name]

    def limit(self, name: str, precision: str) -> float:
        """How far the gradient of that name may be off."""
        return self._limit(self.allowed.gradients.get(name, gradient_limit()), precision, GRADIENT_LIMIT)

    def _limit(self, computed: float, precision: str, fixed: Mapping[str, float]) -> float:
        """`computed` for its own precision, scaled from float32 to float64, or raised to the limit in `fixed`."""
        if precision == "fp64" and self.allowed.precision == "fp32":
            return computed * FLOAT64
        return computed if precision == self.allowed.precision else max(computed, fixed[precision])

    def failure(self, precision: str) -> str | None:
        """One sentence that says what is furthest outside its limit, or None."""
        limit = self._limit(self.allowed.loss, precision, LOSS_LIMIT)
        if not self.loss <= limit:
            return f"the {self.result} is off by {self.loss:.2g} relative; {precision} allows {limit:.2g}"
        shares = {name: error / self.limit(name, precision) for name, error in self.gradients.items()}
        name = max(shares, key=lambda n: np.nan_to_num(shares[n], nan=np.inf))
        if not shares[name] <= 1:
            error, limit = self.gradients[name], self.limit(name, precision)
            return f"the gradient of {name} is off by {error:.2g} of its norm; {precision} allows {limit:.2g}"
        return None


def agreement(
    losses: Sequence[float | Mapping[str, np.ndarray]],
    answers: Sequence[Mapping[str, np.ndarray]],
    expected: Reference,
) -> Agreement:
    """Compare several losses (or outputs) and sets of gradients with the oracle; each error is the worst among them."""
    found = [expected.gradient_errors(gradients) for gradients in answers]
    errors = {name: _largest(each[name] for each in found) for name in expected.gradients}
    result = "output" if expected.outputs else "loss"
    return Agreement(_largest(map(expected.loss_error, losses)), errors, expected.allowed, result)


def _largest(errors: Iterable[float]) -> float:
    """The largest of some errors; NaN is larger than any."""
    return float(np.max(list(errors)))
