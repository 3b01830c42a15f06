"""Cuts one traced graph into a forward and a backward part, so that only what must be kept is kept.

A tape around a `tf.function` also makes two functions, but hands the parameters and inputs from the first to the
second as results, which XLA copies, and computes the gradient of every float input. Here loss and gradients are
traced together; whatever the gradients take from the loss's part is a residual, unless both parts can have it for
nothing: parameters, inputs, constants and other views of them or of a residual. Where a residual is an output too, as
an op alone may have it, all outputs are handed over as well, instead of a copy of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from .counting import VIEWS

Values = Mapping[str, tf.Tensor]


@dataclass(frozen=True)
class Split:
    """Both parts as graphs to be imported into a function; `residuals` are the shapes and types between them.

    `first` is where they begin among the results of `forward`.
    """

    residuals: tuple[tf.TensorSpec, ...]
    first: int
    _forward: Any
    _backward: Any
    _inputs: Mapping[str, str]
    _results: tuple[str, ...]
    _gradients: tuple[str, ...]

    def forward(self, values: Values) -> list[tf.Tensor]:
        """The outputs and the residuals, of parameters and inputs by name."""
        return _import(self._forward, self._given(values), self._results)

    def backward(self, values: Values, residuals: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """The gradient of each source."""
        given = self._given(values) | dict(zip(self._results[self.first :], residuals, strict=True))
        return _import(self._backward, given, self._gradients)

    def _given(self, values: Values) -> dict[str, tf.Tensor]:
        return {tensor: values[name] for name, tensor in self._inputs.items()}


def split(run: Callable[[Values], tuple[Any, Any]], pull: Callable[[Any], Sequence[tf.Tensor]], like: Values) -> Split:
    """Trace a rule's `run` and `pull`, with parameters and inputs shaped as in `like`."""
    graph = tf.Graph()
    with graph.as_default():
        inputs = {name: tf.compat.v1.placeholder(value.dtype, value.shape) for name, value in like.items()}
        value, kept = run(inputs)
        forward_ops = set(graph.get_operations())
        gradients = pull(kept)
    outputs = value if isinstance(value, tuple) else (value,)
    backward_ops, residuals = _cut(gradients, forward_ops)
    results = {tensor.name: tensor for tensor in (*outputs, *residuals)}
    first = len(outputs) if len(results) == len(outputs) + len(residuals) else 0
    return Split(
        residuals=tuple(tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in list(results.values())[first:]),
        first=first,
        _forward=_part(graph, _ancestors(list(results.values()))),
        _backward=_part(graph, backward_ops),
        _inputs={name: tensor.name for name, tensor in inputs.items()},
        _results=tuple(results),
        _gradients=tuple(tensor.name for tensor in gradients),
    )


def _cut(gradients: Sequence[tf.Tensor], forward: set[tf.Operation]) -> tuple[set[tf.Operation], list[tf.Tensor]]:
    """The ops that the backward part needs, and the tensors at which it takes over from the forward part."""
    needed: set[tf.Operation] = set()
    residuals: dict[str, tf.Tensor] = {}
    waiting = list(gradients)
    while waiting:
        tensor = waiting.pop()
        op = tensor.op
        if op in forward and op.type not in (*VIEWS, "Placeholder", "Const"):
            residuals[tensor.name] = tensor
        elif op not in needed:
            needed.add(op)
            waiting.extend(op.inputs)
    return needed, list(residuals.values())


def _ancestors(tensors: Sequence[tf.Tensor]) -> set[tf.Operation]:
    found: set[tf.Operation] = set()
    waiting = [tensor.op for tensor in tensors]
    while waiting:
        op = waiting.pop()
        if op not in found:
            found.add(op)
            waiting.extend(tensor.op for tensor in op.inputs)
    return found


def _part(graph: tf.Graph, ops: set[tf.Operation]) -> Any:
    """The graph definition with no ops but these, and nothing in it that speaks of the others."""
    names = {op.name for op in ops if op.type != "Placeholder"}
    part = graph.as_graph_def()
    nodes = [node for node in part.node if node.name in names]
    for node in nodes:
        kept = [name for name in node.input if not name.startswith("^")]
        del node.input[:]
        node.input.extend(kept)
        node.attr.pop("_class", None)  # asks to be placed beside another op
    result = tf.compat.v1.GraphDef()
    result.CopyFrom(part)
    del result.node[:]
    result.node.extend(nodes)
    return result


def _import(part: Any, given: Mapping[str, tf.Tensor], wanted: Sequence[str]) -> list[tf.Tensor]:
    """`part` in the current graph, with the tensors in `given` in place of those names."""
    produced = {node.name for node in part.node}
    used = {_canonical(name) for node in part.node for name in node.input}
    made = [name for name in wanted if name not in given and name.split(":")[0] in produced]
    fed = {name: tensor for name, tensor in given.items() if name in used}
    results = dict(zip(made, tf.graph_util.import_graph_def(part, fed, made, name=""), strict=True))
    return [results[name] if name in results else given[name] for name in wanted]


def _canonical(name: str) -> str:
    """The full name of a tensor: a graph definition writes `op` for `op:0`."""
    return name if ":" in name else f"{name}:0"
