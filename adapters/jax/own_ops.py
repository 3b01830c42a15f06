"""Numbers the ops of a user's own jax model, so that XLA's profiler can tell each of them apart.

An op is what the model's code calls: a primitive, or a function of jax's own such as `relu`, with all that runs within
it. The loss is traced once, and each op of the trace is given a scope of its own, which jax keeps in what it makes of
the op: `jvp(call3.op)`, and `transpose(jvp(call3.op))` in the backward pass.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, jaxpr_as_fun

from ..common.own_ops import OwnOp, line_of, written
from ..common.scopes import scope
from .split import Arrays

_JAX = str(Path(jax.__file__).parent) + os.sep
_LOOPS = ("scan", "while", "cond", "checkpoint")  # primitives whose bodies are the model's own code
_TRANSFORMED = re.compile(r"\w+\((.*)\)")

Loss = Callable[[Arrays, Arrays], Any]


class OwnOps:
    """The ops of a loss in the order of its trace, and the same loss with a scope for each of them."""

    def __init__(self, loss: Loss, sources: Arrays, rest: Arrays) -> None:
        self.calls: list[OwnOp] = []
        traced = jax.make_jaxpr(loss)(sources, rest)
        run = jaxpr_as_fun(traced.replace(jaxpr=self._numbered(traced.jaxpr)))
        self.loss: Loss = lambda sources, rest: run(*jax.tree.leaves((sources, rest)))[0]

    def _numbered(self, jaxpr: Jaxpr) -> Jaxpr:
        return jaxpr.replace(eqns=[self._in_scope(op) for op in jaxpr.eqns])

    def _in_scope(self, op: JaxprEqn) -> JaxprEqn:
        """The op in a scope of its own; where it only calls the model's own code, that code's ops are in theirs."""
        if _is_own_code(op):
            return op.replace(params={name: self._inside(value) for name, value in op.params.items()})
        source = op.source_info
        named = source.replace(name_stack=source.name_stack.extend(scope(len(self.calls))))
        shapes = written(variable.aval.shape for variable in op.invars)
        self.calls.append(OwnOp(_name(op), shapes, tuple(_scopes(str(source.name_stack))), _line(source.traceback)))
        return op.replace(source_info=named)

    def _inside(self, value: Any) -> Any:
        """A parameter of a primitive, with the ops of each program in it numbered."""
        if isinstance(value, ClosedJaxpr):
            return value.replace(jaxpr=self._numbered(value.jaxpr))
        if isinstance(value, Jaxpr):
            return self._numbered(value)
        if isinstance(value, tuple):
            return tuple(self._inside(part) for part in value)
        return value


def _is_own_code(op: JaxprEqn) -> bool:
    """Whether an op stands for a loop, a checkpoint, or a jitted function which is not one of jax's own."""
    if op.primitive.name == "jit":
        return _JAX not in str(op.params["jaxpr"].jaxpr.debug_info.func_src_info)
    return op.primitive.name in _LOOPS


def _name(op: JaxprEqn) -> str:
    """`dot_general`, or `relu` where a function of that name is called as one op."""
    if op.primitive.name == "jit":
        return str(op.params["name"])
    if "call_jaxpr" in op.params:
        name, _, _ = str(op.params["call_jaxpr"].jaxpr.debug_info.func_src_info).partition(" at ")
        return name if name.isidentifier() else op.primitive.name
    return str(op.primitive.name)


def _scopes(name_stack: str) -> Iterator[str]:
    """`vmap(Network)/Dense_0` as its parts; what a transformation is of stands for it."""
    for part in name_stack.split("/"):
        while transformed := _TRANSFORMED.fullmatch(part):
            part = transformed[1]
        if part:
            yield part


def _line(traceback: Any) -> str:
    frames = traceback.frames if traceback else ()
    return line_of((frame.file_name, frame.line_num) for frame in frames if not frame.file_name.startswith(_JAX))
