"""Counts the multiplies that TensorFlow runs: eagerly op by op, in a graph from a profile of one call."""

from __future__ import annotations

import contextlib
import math
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import op_callbacks
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from ..base import Executed
from .functions import find_op, function_body, live_ops

# Ops whose result shares its input's memory.
VIEWS = ("Identity", "StopGradient", "Reshape", "ExpandDims", "Squeeze")

# With their fused and oneDNN forms: _FusedMatMul, BatchMatMulV2, Conv2DBackpropFilter, _MklNativeConv2D ...
_MULTIPLY = re.compile(r"MatMul|Conv2D|Conv2d|Einsum")

Shape = tuple[int, ...]
Observer = Callable[[str, Any, Sequence[Any], Sequence[Any]], object]


@contextlib.contextmanager
def observed_ops(observe: Observer) -> Iterator[None]:
    """Call `observe(type, attributes, inputs, outputs)` after every op that runs eagerly, a tape's included.

    The attributes are as the op has them: names and values in turn.
    """

    def callback(kind: Any, inputs: Any, attributes: Any, outputs: Any, op_name: Any = None, graph: Any = None) -> None:
        if graph is None:  # else the op is traced
            observe(kind.decode() if isinstance(kind, bytes) else kind, attributes, inputs, outputs)

    op_callbacks.add_op_callback(callback)
    try:
        yield
    finally:
        op_callbacks.remove_op_callback(callback)


def multiplies(kind: str) -> bool:
    """Whether an op of that type is one of the multiplies that are counted."""
    return _MULTIPLY.search(kind) is not None


def count_eager(phase: Callable[[], Any]) -> Executed:
    """The multiplies that `phase` dispatches."""
    flops: list[int] = []

    def observe(kind: str, attributes: Any, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        if _MULTIPLY.search(kind):
            by_name = dict(zip(attributes[::2], attributes[1::2], strict=True))
            flops.append(_flops(kind, by_name.get, [tuple(x.shape) for x in inputs], tuple(outputs[0].shape)))
        elif (body := function_body(kind, inputs)) is not None:
            flops.extend(_op_flops(op) for op in live_ops(body) if _MULTIPLY.search(op.type))

    with observed_ops(observe):
        phase()
    return Executed(len(flops), sum(flops))


def count_graph(graph: tf.Graph, phase: Callable[[], Any]) -> Executed:
    """The multiplies in a profile of one call of `phase`; `graph`, as it was traced, tells their shapes.

    The traced graph alone would not do: TensorFlow prunes, merges and fuses before it runs.
    Raises RuntimeError for a multiply that was not traced.
    """
    flops = [_traced_flops(graph, *event) for event in executed_ops(phase) if _MULTIPLY.search(event[1])]
    return Executed(len(flops), sum(flops))


def executed_ops(phase: Callable[[], Any]) -> list[tuple[str, str]]:
    """(name, type) of every op in one call."""
    return [(name, kind) for name, _, kind in (label.partition(":") for label, _, _ in profile(phase)) if kind]


def profile(phase: Callable[[], Any]) -> list[tuple[str, dict[str, str], float]]:
    """(label, what else is said of it as text, seconds) of everything that TensorFlow's profiler sees in one call."""
    options = tf.profiler.experimental.ProfilerOptions(
        host_tracer_level=2, python_tracer_level=0, device_tracer_level=0
    )
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder, options)
        try:
            phase()
            tf.test.experimental.sync_devices()
        finally:
            tf.profiler.experimental.stop()
        space = xplane_pb2.XSpace()
        for path in Path(folder).rglob("*.xplane.pb"):
            space.MergeFromString(path.read_bytes())
    return [
        (plane.event_metadata[event.metadata_id].name, _texts(plane, event), 1e-12 * event.duration_ps)
        for plane in space.planes
        for line in plane.lines
        for event in line.events
    ]


def _texts(plane: Any, event: Any) -> dict[str, str]:
    """What a profile says of an event in words."""
    names = plane.stat_metadata
    return {names[s.metadata_id].name: s.str_value or names[s.ref_value].name for s in event.stats}


def _traced_flops(graph: tf.Graph, name: str, kind: str) -> int:
    try:
        op = find_op(graph, name)
    except KeyError as error:
        raise RuntimeError(f"TensorFlow ran {name} of type {kind}, which was not traced") from error
    # A fused op has the name of the last op that it stands for; the multiply is the first.
    while not _MULTIPLY.search(op.type):
        op = op.inputs[0].op
    return _op_flops(op)


def _op_flops(op: tf.Operation) -> int:
    return _flops(op.type, _attributes(op), [tuple(x.shape) for x in op.inputs], tuple(op.outputs[0].shape))


def _attributes(op: tf.Operation) -> Callable[[str], Any]:
    return lambda name: op.get_attr(name) if name in op.node_def.attr else None


def _flops(kind: str, attribute: Callable[[str], Any], inputs: Sequence[Shape], output: Shape) -> int:
    """2 per multiply-add; a convolution's gradients as the forward convolution, taps on padding included."""
    if kind == "Einsum":
        equation = attribute("equation")
        terms = (equation.decode() if isinstance(equation, bytes) else equation).split("->")[0].split(",")
        sizes = {
            label: n for term, shape in zip(terms, inputs, strict=True) for label, n in zip(term, shape, strict=True)
        }
        return 2 * math.prod(sizes.values())
    if "MatMul" in kind:
        transposed = attribute("transpose_a") or attribute("adj_x")
        return 2 * math.prod(output) * inputs[0][-2 if transposed else -1]
    if kind.endswith("BackpropFilter"):
        image, kernel = inputs[2], output
    elif kind.endswith("BackpropInput"):
        image, kernel = inputs[2], inputs[1]
    else:
        image, kernel = output, inputs[1]
    # Each output element of a depthwise convolution sees one channel; a kernel is [kh, kw, in per group, out].
    channels = 1 if "Depthwise" in kind else kernel[2]
    return 2 * math.prod(image) * kernel[0] * kernel[1] * channels
