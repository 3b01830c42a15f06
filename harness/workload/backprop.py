"""Backpropagation written by hand: the catalogue's rules over a trace, in any array library.

In float64 NumPy it is the oracle; in a framework's own ops it is a choice beside the framework's autodiff. The two
halves can be timed apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .ops import CATALOGUE, Array, Spec
from .trace import Call, Graph


@dataclass(frozen=True)
class Step:
    """What the forward pass keeps of one call: the inputs that backward reads, and its local gradient.

    An input that is not read stands as its shape. Without a local gradient, backward computes it from all inputs.
    """

    call: Call
    inputs: tuple[Array | Spec, ...]
    local: tuple[Array, ...] | None


def run_forward(
    xp: Any, graph: Graph, arrays: Mapping[str, Array], keep: bool = True, recompute: bool = False
) -> tuple[Any, list[Step]]:
    """The graph's result, and the steps that `run_backward` needs (none without `keep`), with primitives `xp`.

    Local gradients are computed here, that is, cached in the forward pass; with `recompute`, in the backward pass.
    """
    values = {number: arrays[name] for named in (graph.inputs, graph.params) for name, number in named.items()}
    last_use = {number: call for call in graph.calls for number in call.inputs if number not in graph.outputs}
    steps = []
    for call in graph.calls:
        op, inputs = CATALOGUE[call.op], tuple(values[n] for n in call.inputs)
        output, local = op.forward(xp, *inputs, **call.attrs)
        values.update(zip(call.outputs, output if isinstance(output, tuple) else (output,), strict=True))
        if keep and graph.needs_gradient.intersection(call.inputs):
            if recompute and op.caches:
                steps.append(Step(call, inputs, None))
            else:
                steps.append(Step(call, _read(graph, call, inputs), local()))
        for number in set(call.inputs):
            if last_use.get(number) is call:
                del values[number]
    return graph.result(values), steps


def _read(graph: Graph, call: Call, inputs: tuple[Array, ...]) -> tuple[Array | Spec, ...]:
    read = CATALOGUE[call.op].reads(wants(graph, call))
    return tuple(x if i in read else graph.specs[call.inputs[i]] for i, x in enumerate(inputs))


def wants(graph: Graph, call: Call) -> list[bool]:
    """For each input of a call, whether a gradient must flow to it."""
    return [number in graph.needs_gradient for number in call.inputs]


def run_backward(xp: Any, graph: Graph, steps: list[Step], start: Any) -> dict[str, Array]:
    """The gradient of each source of the graph, from the steps of `run_forward`, which are used up.

    `start` is the loss's gradient for itself, one in the type of the arrays; or the tuple of cotangents.
    """
    arriving = start if isinstance(start, tuple) else (start,)
    grads: dict[int, Array] = dict(zip(graph.outputs, arriving, strict=True))
    while steps:
        step = steps.pop()
        call = step.call
        # An output that nothing uses has no gradient: zero.
        incoming = tuple(grads.pop(n, None) for n in call.outputs)
        if all(grad is None for grad in incoming):
            continue
        filled = tuple(
            xp.zeros(graph.specs[n].shape, arriving[0]) if grad is None else grad
            for n, grad in zip(call.outputs, incoming, strict=True)
        )
        op, wanting = CATALOGUE[call.op], wants(graph, call)
        local = op.forward(xp, *step.inputs, **call.attrs)[1]() if step.local is None else step.local
        outgoing = op.backward(xp, filled if len(filled) > 1 else filled[0], local, step.inputs, wanting, **call.attrs)
        for number, wanted, grad in zip(call.inputs, wanting, outgoing, strict=True):
            if wanted:
                grads[number] = grads[number] + grad if number in grads else grad
    return {name: grads[number] for name, number in graph.sources.items()}
