"""Runs a trace with a framework's own ops: what every adapter times."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .trace import Graph


def interpreter(graph: Graph, ops: Any) -> Callable[[Mapping[str, Any], Mapping[str, Any]], Any]:
    """A function of (parameters, inputs), by name, that returns the loss.

    `ops` has one function per op of the catalogue, in the framework's arrays and layout. A value is
    dropped after its last use, as it would be in a model written by hand. Raises AttributeError, with
    the op's name, where `ops` lacks one.
    """
    last_use = {n: i for i, call in enumerate(graph.calls) for n in call.inputs}
    steps = tuple(
        (
            getattr(ops, call.op),
            call.inputs,
            call.outputs,
            call.attrs,
            tuple({n for n in call.inputs if last_use[n] == i}),
        )
        for i, call in enumerate(graph.calls)
    )
    param_numbers, input_numbers = tuple(graph.params.items()), tuple(graph.inputs.items())

    def loss(params: Mapping[str, Any], inputs: Mapping[str, Any]) -> Any:
        values = {number: params[name] for name, number in param_numbers}
        for name, number in input_numbers:
            values[number] = inputs[name]
        for op, arguments, outputs, attrs, dead in steps:
            result = op(*[values[n] for n in arguments], **attrs)
            for n in dead:
                del values[n]
            if len(outputs) == 1:
                values[outputs[0]] = result
            else:
                for n, part in zip(outputs, result, strict=True):
                    values[n] = part
        return values[graph.loss]

    return loss
