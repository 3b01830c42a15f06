"""How long each op call takes inside a traced run: TensorFlow's own profile, or XLA's where it compiles.

The ops of a call are traced in its scope, and what a tape makes of them in `gradient_tape/` and that scope.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import tensorflow as tf

from harness.workload.trace import Graph

from ..base import Unsupported
from ..common.hlo_owners import events_of
from ..common.numbered import Op, within
from ..common.scopes import Event, number_in, scope, times_of
from ..profiled import Times
from .autodiff import Reverse
from .counting import multiplies, profile
from .executable import Executable
from .functions import find_op

_CONTAINERS = ("PartitionedCall", "While", "If")  # what runs inside of them is in the profile as well


def in_scopes(number: int, op: Op) -> Op:
    """The op of a call, traced in the scope of its place in the trace."""
    return within(lambda n: tf.name_scope(scope(n)))(number, op)


def check_shown(rule: Any, arrays: Mapping[str, Any]) -> Reverse:
    """The rule, if its ops can be told apart in place. Raises Unsupported."""
    if not isinstance(rule, Reverse):
        raise Unsupported("tensorflow: a backward pass by hand does not name its ops")
    check_cpu(arrays.values())
    return rule


def check_cpu(arrays: Iterable[Any]) -> None:
    """Raise Unsupported where the ops of these arrays run on a GPU."""
    if any("GPU" in array.device for array in arrays):
        raise Unsupported("tensorflow: its profiler's record of a GPU is not read")


def profiled(
    graph: Graph, forward: Executable, backward: Executable, kept: list[tf.Tensor], passes: int
) -> list[Times]:
    """Run both passes under the profiler; `kept` is what backward takes. One entry for each time."""
    phases = {"forward": partial(forward), "backward": partial(backward, *kept)}
    executables = {"forward": forward, "backward": backward}
    texts = {name: executables[name].hlo(*phases[name].args) for name in phases if executables[name].jit}
    runs = []
    for _ in range(passes):
        events = {}
        for name, call in phases.items():
            if name in texts:
                events[name] = events_of(texts[name], instructions_of(call), number_in)
            else:
                events[name] = ops_of(executables[name].concrete.graph, call)
        runs.append(times_of(graph, events))
    return runs


def ops_of(graph: tf.Graph, call: Callable[[], Any]) -> list[Event]:
    """Every op that one call of a traced function runs, by its traced name."""
    events = []
    for label, _, seconds in profile(call):
        name, _, kind = label.partition(":")
        if kind.isidentifier() and not any(container in kind for container in _CONTAINERS):
            events.append((*_traced(graph, name, kind), seconds))
    return events


def _traced(graph: tf.Graph, name: str, kind: str) -> tuple[str, tuple[int, ...]]:
    """The traced name of an op that ran, and its result's shape; of a multiply that others were fused with, its own."""
    try:
        op = find_op(graph, name)
    except KeyError:
        return name, ()  # an op that TensorFlow put in, such as a change of layout
    while multiplies(kind) and not multiplies(op.type) and op.inputs:
        op = op.inputs[0].op
    shape = op.outputs[0].shape if op.outputs else tf.TensorShape(None)
    return op.name if multiplies(kind) else name, tuple(shape) if shape.is_fully_defined() else ()


def instructions_of(call: Callable[[], Any]) -> list[tuple[str, float]]:
    """(instruction, seconds) of all that XLA runs in one call."""
    return [(str(stats["hlo_op"]), seconds) for _, stats, seconds in profile(call) if "hlo_op" in stats]
