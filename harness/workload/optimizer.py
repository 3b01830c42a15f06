"""One step of an optimizer, as every framework must take it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

# Large enough to be seen above the rounding of a parameter, small enough for thousands of steps with one gradient.
RATES = {"sgd": 1e-2, "adam": 1e-3}

# Kingma & Ba 2015: decay of both moments, and what keeps a division finite. So small, it does not matter that some
# libraries add it before they take the bias out of the moments, and others after.
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-12


# An element this small, relative to the gradients' root mean square, may be nothing but rounding.
NOTHING = 1e-3


def step(optimizer: str, gradient: np.ndarray) -> np.ndarray:
    """What one step takes off a parameter, if every step before had the same gradient.

    Then Adam's moments without their bias are the gradient and its square, after any number of steps.
    """
    wide = np.asarray(gradient, np.float64)
    return RATES[optimizer] * (wide if optimizer == "sgd" else wide / (np.abs(wide) + EPSILON))


def step_error(
    optimizer: str,
    before: Mapping[str, np.ndarray],
    after: Mapping[str, np.ndarray],
    gradients: Mapping[str, np.ndarray],
) -> float:
    """How far parameters are from where a step should lead, relative to the step, over all of them.

    What rounding can do to each parameter is taken off. Where a gradient is itself nothing but rounding, Adam makes a
    whole step of it; such elements are not judged.
    """
    size = _norm(gradients.values()) / math.sqrt(sum(array.size for array in gradients.values()))
    judged = {name: np.abs(gradients[name]) > NOTHING * size for name in before}
    steps = {name: step(optimizer, gradients[name]) * judged[name] for name in before}
    missed = [(before[name].astype(np.float64) - after[name]) * judged[name] - steps[name] for name in before]
    half_a_digit = max(np.finfo(array.dtype).eps for array in before.values()) / 2  # of parameters as they are stored
    unavoidable = float(half_a_digit) * _norm(before.values())
    return max(0.0, _norm(missed) - unavoidable) / _norm(steps.values())


def _norm(arrays: Iterable[np.ndarray]) -> float:
    return float(np.linalg.norm([np.linalg.norm(array) for array in arrays]))
