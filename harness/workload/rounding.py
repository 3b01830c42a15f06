"""How far rounding may take a correct float32 program from the oracle: measured for each gradient of each workload.

How much rounding matters differs a thousandfold, with the workload and within it: a bias keeps seven digits, a scale
before a depthwise convolution and its batch norm four. So the catalogue's rules are run once more in float32, and the
error they make themselves is the measure for all others. Over 21 models and every op alone, torch, jax and TensorFlow
are off by at most 3 times as much, wherever that is more than a sum's own rounding:

- A sum of n terms, independently rounded, is off by a multiple of sqrt(n) u, with u = 2^-24: by at most 8 of them with
  practical certainty (Higham & Mary 2019, "A new approach to probabilistic rounding error analysis", theorem 2.4).
- A gradient's terms have both signs. Added in order, they came out between 0.06 and 0.24 sqrt(n) u off, for up to
  280,000 terms. What lies before adds sums of its own: none counts as less than SHORTEST_SUM terms.
- A loss's terms all have one sign, and partial sums grow. XLA's are off by up to 3.3 sqrt(n) u for a million squares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .arithmetic import NUMPY, Arithmetic, Result, answer
from .trace import Graph

# Half the distance from 1 to the next number, by precision.
UNITS = {"fp64": 2.0**-53, "fp32": 2.0**-24, "bf16": 2.0**-9, "bf16_mixed": 2.0**-9}
UNIT = UNITS["fp32"]
SAFETY = 5  # times the error of these rules; correct programs were seen up to 3
SHORTEST_SUM = 2048
SIGNED_SUM, POSITIVE_SUM = 0.25, 8.0  # times sqrt(n) u: seen of a gradient's sum, certain of a loss's

# A loss alone shows little: it may always be off by so much. A gradient with less than three digits is not verified.
LOSS_AT_LEAST = 1e-5
GRADIENT_AT_MOST = 1e-3


@dataclass(frozen=True)
class Errors:
    """Relative error of a loss, and of each gradient the norm-wise one, by name; rounding in `precision` makes it."""

    loss: float = LOSS_AT_LEAST
    gradients: Mapping[str, float] = field(default_factory=dict)
    precision: str = "fp32"


def answer_in_float32(
    graph: Graph, arrays: Mapping[str, np.ndarray], arithmetic: Arithmetic = NUMPY
) -> tuple[Result, dict[str, np.ndarray]]:
    """The graph's result and gradients by the catalogue's rules in float32; overflow shows in them."""
    with np.errstate(all="ignore"):
        return answer(graph, arrays, np.float32, arithmetic)


def allowed(graph: Graph, own: Errors) -> Errors:
    """The most by which a correct float32 program is off, where the catalogue's rules in float32 are off by `own`."""
    summed = _terms(graph)
    gradients = {name: gradient_limit(error, summed.get(name, 1)) for name, error in own.gradients.items()}
    loss = np.fmax(LOSS_AT_LEAST, np.fmax(SAFETY * own.loss, POSITIVE_SUM * _loss_terms(graph) ** 0.5 * UNIT))
    return Errors(float(loss), gradients)


def gradient_limit(own: float = 0.0, terms: int = 1) -> float:
    """The most by which one gradient may be off, if each of its elements is a sum of `terms` terms.

    It is GRADIENT_AT_MOST if `own`, the error of the catalogue's rules in float32, is NaN.
    """
    rounding = np.maximum(own, SIGNED_SUM * max(terms, SHORTEST_SUM) ** 0.5 * UNIT)
    return float(np.fmin(GRADIENT_AT_MOST, SAFETY * rounding))


def _terms(graph: Graph) -> dict[str, int]:
    """For each parameter, how many positions (rows, tokens, pixels) share it: its gradient is a sum over them."""
    shared = dict.fromkeys(graph.params.values(), 0)
    for call in graph.calls:
        output = graph.specs[call.outputs[0]]
        for number in shared.keys() & set(call.inputs):
            shared[number] += output.size // output.shape[-1] if output.shape else 1
    return {name: shared[number] for name, number in graph.params.items()}


def _loss_terms(graph: Graph) -> int:
    """The longest sum of any loss: elements of a mean square error, rows of a cross entropy; 1 without a loss."""
    losses = (call for call in graph.calls if graph.specs[call.outputs[0]].shape == ())
    return max((min(graph.specs[number].size for number in call.inputs) for call in losses), default=1)
