"""Counts arithmetic from the trace: forward, and backward split into dX and dW."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .ops import CATALOGUE, Work
from .trace import Graph


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
        inputs = tuple(graph.specs[n] for n in call.inputs)
        outputs = tuple(graph.specs[n] for n in call.outputs)
        priced = CATALOGUE[call.op].cost(inputs, outputs, **call.attrs)
        forward += priced.forward
        for number, work in zip(call.inputs, priced.gradients, strict=True):
            if number not in graph.needs_gradient:
                continue
            if number in parameters:
                dw += work
            else:
                dx += work
    return CostTable(forward, dx, dw)
