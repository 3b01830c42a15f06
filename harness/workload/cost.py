"""Counts arithmetic from the trace: forward, and backward split into dX and dW."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from .backprop import wants
from .ops import CATALOGUE, Cost, Work
from .rematerialise import recomputed_calls
from .trace import Call, Graph

Found = TypeVar("Found")


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


@dataclass(frozen=True)
class CallWork:
    """Work of one call in each pass over it; `again` is what runs once more where backward recomputes it."""

    forward: Work
    backward: Work
    tangent: Work
    again: Work


def cost(graph: Graph) -> CostTable:
    """Work of forward and backward; a gradient that nobody needs (the first layer's dX) costs nothing."""
    forward, dx, dw = Work(), Work(), Work()
    parameters = set(graph.params.values())
    for call in graph.calls:
        priced, wanting = price(graph, call), wants(graph, call)
        forward += priced.forward
        if any(wanting):
            dx += priced.shared
        for number, wanted, work in zip(call.inputs, wanting, priced.gradients, strict=True):
            if not wanted:
                continue
            if number in parameters:
                dw += work
            else:
                dx += work
    return CostTable(forward, dx, dw)


def call_work(graph: Graph, call: Call) -> CallWork:
    """What a call is asked to compute.

    A tangent takes, for each product, the product and that of each factor's tangent with the other factor: as much as
    forward and backward together.
    """
    priced, wanting = price(graph, call), wants(graph, call)
    wanted = [work for work, needed in zip(priced.gradients, wanting, strict=True) if needed]
    backward = sum(wanted, priced.shared if wanted else Work())
    return CallWork(priced.forward, backward, priced.forward + backward, priced.forward)


def again(graph: Graph, residuals: str, autodiff: str) -> Sequence[Call]:
    """The calls that backward computes once more, under these choices of how to differentiate."""
    if autodiff == "by_hand_recomputed":
        return [call for call in graph.calls if CATALOGUE[call.op].caches and any(wants(graph, call))]
    return recomputed_calls(graph, residuals)


def phase_work(graph: Graph, residuals: str = "store", autodiff: str = "reverse") -> dict[str, Work]:
    """Work of each phase that a program may have, under these choices of how to differentiate."""
    repeated = [call_work(graph, call) for call in again(graph, residuals, autodiff)]
    found = work_of_phases([call_work(graph, call) for call in graph.calls], repeated)
    return found | of_sides(graph, lambda side: phase_work(side, residuals, autodiff))


def work_of_phases(calls: Sequence[CallWork], recomputed: Sequence[CallWork]) -> dict[str, Work]:
    """Work of each phase from that of its calls, and of those that backward recomputes."""
    forward = sum((call.forward for call in calls), Work())
    backward = sum((call.backward for call in calls), sum((call.again for call in recomputed), Work()))
    return {
        "inference": forward,
        "forward": forward,
        "backward": backward,
        "gradient": forward + backward,
        "update": Work(),
        "tangent": sum((call.tangent for call in calls), Work()),
    }


def of_sides(graph: Graph, find: Callable[[Graph], dict[str, Found]]) -> dict[str, Found]:
    """Apply `find` to the graph of each side's gradients; the results for forward and backward, as `forward_inputs`.

    Empty unless the graph wants both sides.
    """
    if graph.gradients != "both":
        return {}
    sides = {side: find(graph.side(side)) for side in ("inputs", "params")}
    return {f"{phase}_{side}": found[phase] for side, found in sides.items() for phase in ("forward", "backward")}


def price(graph: Graph, call: Call) -> Cost:
    """The catalogue's price of a call, whether its gradients are needed or not."""
    inputs = tuple(graph.specs[n] for n in call.inputs)
    outputs = tuple(graph.specs[n] for n in call.outputs)
    return CATALOGUE[call.op].cost(inputs, outputs, **call.attrs)
