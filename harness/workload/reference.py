"""The oracle: loss and every gradient in float64 NumPy, by the catalogue's hand-written backward rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from . import primitives
from .ops import CATALOGUE
from .trace import Graph


@dataclass(frozen=True)
class Reference:
    """What every framework must agree with: the loss, and a float64 gradient for each named source."""

    loss: float
    gradients: dict[str, np.ndarray]


def reference(graph: Graph, arrays: dict[str, np.ndarray]) -> Reference:
    """Loss and gradients of `graph` for the named parameters and inputs in `arrays`."""
    doubles = {n: a.astype(np.float64) if a.dtype.kind == "f" else a for n, a in arrays.items()}
    loss, gradients = loss_and_gradients(primitives, graph, doubles, np.float64(1.0))
    return Reference(float(loss), gradients)


def loss_and_gradients(xp: Any, graph: Graph, arrays: dict[str, Any], one: Any) -> tuple[Any, dict[str, Any]]:
    """Reverse mode over the trace with primitives `xp`; `one` is the loss's own gradient.

    Local gradients are cached in the forward pass.
    """
    values: dict[int, Any] = {
        number: arrays[name] for named in (graph.inputs, graph.params) for name, number in named.items()
    }
    tape = []
    for call in graph.calls:
        op = CATALOGUE[call.op]
        inputs = tuple(values[n] for n in call.inputs)
        output, local = op.forward(xp, *inputs, **call.attrs)
        values.update(zip(call.outputs, output if isinstance(output, tuple) else (output,), strict=True))
        if graph.needs_gradient.intersection(call.inputs):
            tape.append((op, call, inputs, local()))

    grads: dict[int, Any] = {graph.loss: one}
    for op, call, inputs, cached in reversed(tape):
        incoming = tuple(grads.pop(n, None) for n in call.outputs)
        if all(g is None for g in incoming):
            continue
        incoming = tuple(
            xp.zeros_like(values[n]) if g is None else g for n, g in zip(call.outputs, incoming, strict=True)
        )
        wants = [n in graph.needs_gradient for n in call.inputs]
        outgoing = op.backward(xp, incoming if len(incoming) > 1 else incoming[0], cached, inputs, wants, **call.attrs)
        for number, wanted, grad in zip(call.inputs, wants, outgoing, strict=True):
            if wanted:
                grads[number] = grads[number] + grad if number in grads else grad
    return values[graph.loss], {name: grads[number] for name, number in graph.sources.items()}
