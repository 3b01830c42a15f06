"""Counts arithmetic from the trace: forward, and backward split into dX and dW."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .checkpoint import recomputed_calls
from .ops import CATALOGUE, Cost, Work
from .trace import Call, Graph


@dataclass(frozen=True)
class CostTable:
    """Work of a whole model. `dx` is for activations (and inputs, where asked), `dw` for parameters."""

    forward: Work
    dx: Work
    dw: Work

    @property
    def backward(self) -> Work:
        return self.dx + self.dw

    @property
    def flops_ratio(self) -> float:
        """FLOPs of backward over forward, matrix multiplies and convolutions only; NaN where there are none."""
        return self.backward.flops / self.forward.flops if self.forward.flops else math.nan


def cost(graph: Graph) -> CostTable:
    """Work of forward and backward; a gradient that nobody needs (the first layer's dX) costs nothing."""
    forward, dx, dw = Work(), Work(), Work()
    parameters = set(graph.params.values())
    for call in graph.calls:
        priced = _price(graph, call)
        forward += priced.forward
        for number, work in zip(call.inputs, priced.gradients, strict=True):
            if number not in graph.needs_gradient:
                continue
            if number in parameters:
                dw += work
            else:
                dx += work
    return CostTable(forward, dx, dw)


def phase_work(graph: Graph, residuals: str = "store", autodiff: str = "reverse") -> dict[str, Work]:
    """Work of each phase that a program may have, under these choices of how to differentiate.

    Recomputation is added to backward. A tangent computes, for each product, the product and that of each factor's
    tangent with the other factor: as much as forward and backward together.
    """
    table = cost(graph)
    if autodiff == "by_hand_recomputed":
        again = [call for call in graph.calls if CATALOGUE[call.op].caches]
    else:
        again = recomputed_calls(graph, residuals)
    backward = sum((_price(graph, call).forward for call in again), table.backward)
    found = {
        "inference": table.forward,
        "forward": table.forward,
        "backward": backward,
        "gradient": table.forward + backward,
        "update": Work(),
        "tangent": table.forward + table.backward,
    }
    if graph.gradients == "both":
        for side in ("inputs", "params"):
            alone = phase_work(graph.side(side), residuals, autodiff)
            found |= {f"{phase}_{side}": alone[phase] for phase in ("forward", "backward")}
    return found


def _price(graph: Graph, call: Call) -> Cost:
    inputs = tuple(graph.specs[n] for n in call.inputs)
    outputs = tuple(graph.specs[n] for n in call.outputs)
    return CATALOGUE[call.op].cost(inputs, outputs, **call.attrs)
