"""Looks into functions that TensorFlow makes by itself, as forward mode does for every op."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow.python.eager import context
from tensorflow.python.framework.function_def_to_graph import function_def_to_graph

# Grappler renames a multiply that takes over a transpose; it stays in its scope.
_RENAMED = "ArithmeticOptimizer/FoldTransposeIntoMatMul_"

_IN_LOOP = re.compile(r"(.*?)/body/_\d+/(.*)")


def function_body(name: str, shapes: Sequence[Any]) -> Any:
    """The graph of a function for inputs of those shapes; None if there is none of that name."""
    if not context.context().has_function(name):
        return None
    return function_def_to_graph(context.context().get_function_def(name), shapes)


def live_ops(graph: Any) -> list[tf.Operation]:
    """The ops of a function that its results depend on: the others are pruned before it runs."""
    found: dict[tf.Operation, None] = {}
    waiting = [tensor.op for tensor in graph.outputs]
    while waiting:
        op = waiting.pop()
        if op not in found:
            found[op] = None
            waiting += [tensor.op for tensor in op.inputs]
    return list(found)


def find_op(graph: Any, name: str) -> tf.Operation:
    """The op of a traced graph that ran under this name, perhaps inside a function that was inlined.

    One in the body of a loop runs as `<loop>/body/_<number>/<name in the body>`. Raises KeyError where there is none.
    """
    traced = {op.name: op for op in graph.get_operations()}
    plain = name.replace(_RENAMED, "")
    if plain in traced:
        return traced[plain]
    if inside := _IN_LOOP.fullmatch(plain):
        loop = find_op(graph, inside[1])
        return find_op(function_body(loop.get_attr("body").name, [tensor.shape for tensor in loop.inputs]), inside[2])
    parts = plain.split("/")
    for cut in range(len(parts) - 1, 0, -1):
        call = traced.get("/".join(parts[:cut]))
        if call is not None and "f" in call.node_def.attr:
            body = function_body(call.get_attr("f").name, [tensor.shape for tensor in call.inputs])
            return find_op(body, "/".join(parts[cut:]))
    raise KeyError(name)
