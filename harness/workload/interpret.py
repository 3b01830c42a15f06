"""Runs a trace with a framework's own ops: what every adapter times."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .rematerialise import Segment, segments
from .trace import Call, Graph

Function = Callable[..., Any]


def interpreter(
    graph: Graph, ops: Any, residuals: str = "store", checkpoint: Callable[[Function], Function] | None = None
) -> Callable[[Mapping[str, Any], Mapping[str, Any]], Any]:
    """A function of (parameters, inputs), by name, that returns the loss (or the outputs: `Graph.result`).

    `ops` has one function per op of the catalogue, in the framework's arrays and layout. A value is
    dropped after its last use, as it would be in a model written by hand. Where `residuals` asks for it, parts of
    the model are functions of arrays that `checkpoint` has changed to recompute themselves in the backward pass.
    Raises AttributeError, with the op's name, where `ops` lacks one.
    """
    steps: list[Any] = []
    for segment in segments(graph, residuals):
        if segment.recomputed:
            assert checkpoint is not None
            steps.append((checkpoint(_function(segment, ops)), segment.inputs, segment.outputs, {}))
        else:
            steps += _steps(segment.calls, ops)
    timetable = _dropping(steps, graph.outputs)
    param_numbers, input_numbers = tuple(graph.params.items()), tuple(graph.inputs.items())

    def loss(params: Mapping[str, Any], inputs: Mapping[str, Any]) -> Any:
        values = {number: params[name] for name, number in param_numbers}
        for name, number in input_numbers:
            values[number] = inputs[name]
        _run(timetable, values)
        return graph.result(values)

    return loss


def _function(segment: Segment, ops: Any) -> Function:
    """A segment as a function of its inputs; it returns its output, or a tuple of them."""
    timetable = _dropping(_steps(segment.calls, ops), segment.outputs)

    def function(*arguments: Any) -> Any:
        values = dict(zip(segment.inputs, arguments, strict=True))
        _run(timetable, values)
        results = tuple(values[number] for number in segment.outputs)
        return results if len(results) > 1 else results[0]

    return function


def _steps(calls: Iterable[Call], ops: Any) -> list[Any]:
    return [(getattr(ops, call.op), call.inputs, call.outputs, call.attrs) for call in calls]


def _dropping(steps: Sequence[Any], kept: Iterable[int]) -> tuple[Any, ...]:
    """The steps, each with the numbers of the values that nothing needs after it."""
    last_use = {n: i for i, (_, inputs, _, _) in enumerate(steps) for n in inputs} | dict.fromkeys(kept)
    return tuple((*step, tuple({n for n in step[1] if last_use[n] == i})) for i, step in enumerate(steps))


def _run(timetable: Sequence[Any], values: dict[int, Any]) -> None:
    for op, arguments, outputs, attrs, dead in timetable:
        result = op(*[values[n] for n in arguments], **attrs)
        for n in dead:
            del values[n]
        if len(outputs) == 1:
            values[outputs[0]] = result
        else:
            for n, part in zip(outputs, result, strict=True):
                values[n] = part
