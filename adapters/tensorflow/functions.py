"""Looks into functions that TensorFlow makes by itself, as forward mode does for every op."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow.python.eager import context
from tensorflow.python.framework.func_graph import FuncGraph
from tensorflow.python.framework.function_def_to_graph import function_def_to_graph_def
from tensorflow.python.ops import handle_data_util

# Grappler renames a multiply that takes over a transpose; it stays in its scope.
_RENAMED = "ArithmeticOptimizer/FoldTransposeIntoMatMul_"

_IN_LOOP = re.compile(r"(.*?)/body/_\d+/(.*)")


def function_body(name: str, inputs: Sequence[Any]) -> Any:
    """The graph of a function that is called with those tensors; None if there is none of that name.

    Its shapes are those of this call, also where it reads a variable.
    """
    if not context.context().has_function(name):
        return None
    definition = context.context().get_function_def(name)
    body, names = function_def_to_graph_def(definition, [None] * len(inputs))
    graph = FuncGraph(name)
    with graph.as_default():
        given: dict[str, Any] = {}
        for argument, tensor in zip(definition.signature.input_arg, inputs, strict=True):
            given[names[argument.name]] = tf.compat.v1.placeholder(tensor.dtype, tensor.shape)
            handle_data_util.copy_handle_data(tensor, given[names[argument.name]])
        tf.graph_util.import_graph_def(body, input_map=given, name="")
    graph.outputs = [
        graph.get_tensor_by_name(names[definition.ret[result.name]]) for result in definition.signature.output_arg
    ]
    return graph


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
        return find_op(function_body(loop.get_attr("body").name, loop.inputs), inside[2])
    parts = plain.split("/")
    for cut in range(len(parts) - 1, 0, -1):
        call = traced.get("/".join(parts[:cut]))
        if call is not None and "f" in call.node_def.attr:
            body = function_body(call.get_attr("f").name, call.inputs)
            return find_op(body, "/".join(parts[cut:]))
    raise KeyError(name)
