"""Backpropagation written by hand: the catalogue's rules over a trace, in any array library.

In float64 NumPy it is the oracle. The two halves can be timed apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .ops import CATALOGUE, Array
from .trace import Call, Graph


@dataclass(frozen=True)
class Step:
    """What the forward pass keeps of one call: its inputs and its local gradient."""

    call: Call
    inputs: tuple[Array, ...]
    local: tuple[Array, ...]


def run_forward(xp: Any, graph: Graph, arrays: Mapping[str, Array], keep: bool = True) -> tuple[Array, list[Step]]:
    """The loss, and the steps that `run_backward` needs (none without `keep`), with primitives `xp`.

    Local gradients are computed here, that is, cached in the forward pass.
    """
    values = {number: arrays[name] for named in (graph.inputs, graph.params) for name, number in named.items()}
    steps = []
    for call in graph.calls:
        inputs = tuple(values[n] for n in call.inputs)
        output, local = CATALOGUE[call.op].forward(xp, *inputs, **call.attrs)
        values.update(zip(call.outputs, output if isinstance(output, tuple) else (output,), strict=True))
        if keep and graph.needs_gradient.intersection(call.inputs):
            steps.append(Step(call, inputs, local()))
    return values[graph.loss], steps


def run_backward(xp: Any, graph: Graph, steps: list[Step], one: Array) -> dict[str, Array]:
    """The gradient of each source of the graph, from the steps of `run_forward`, which are used up.

    `one` is the loss's gradient for itself, in the type of the arrays.
    """
    grads: dict[int, Array] = {graph.loss: one}
    while steps:
        step = steps.pop()
        call = step.call
        # An output that nothing uses has no gradient: zero.
        incoming = tuple(grads.pop(n, None) for n in call.outputs)
        if all(grad is None for grad in incoming):
            continue
        filled = tuple(
            xp.zeros(graph.specs[n].shape, one) if grad is None else grad
            for n, grad in zip(call.outputs, incoming, strict=True)
        )
        wants = [n in graph.needs_gradient for n in call.inputs]
        outgoing = CATALOGUE[call.op].backward(
            xp, filled if len(filled) > 1 else filled[0], step.local, step.inputs, wants, **call.attrs
        )
        for number, wanted, grad in zip(call.inputs, wants, outgoing, strict=True):
            if wanted:
                grads[number] = grads[number] + grad if number in grads else grad
    return {name: grads[number] for name, number in graph.sources.items()}
