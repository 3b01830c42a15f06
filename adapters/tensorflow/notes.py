"""Where TensorFlow runs other multiplies than the trace has, and why."""

from __future__ import annotations

from dataclasses import replace

from adapters.base import Executed
from harness.workload.cost import cost
from harness.workload.trace import Graph

from .ops import splits_groups

_PER_GROUP = "TensorFlow has no gradient of a grouped convolution on a CPU, so each group is a convolution of its own."
_ALL_PAIRS = "XLA on a CPU computes a depthwise convolution's dW for all pairs of channels and keeps the diagonal."
_ELEMENTWISE = "XLA computes a product whose inner dimension is one element by element."


def annotated(executed: dict[str, Executed], graph: Graph, execution: str) -> dict[str, Executed]:
    """The counts, with a note where one differs from the trace's for a known reason."""
    table = cost(graph)
    expected = {
        "inference": table.forward,
        "forward": table.forward,
        "backward": table.backward,
        "gradient": table.forward + table.backward,
    }
    noted = {}
    for phase, found in executed.items():
        note = ""
        if found.matmuls > expected[phase].matmuls and splits_groups():
            note = _PER_GROUP if "grouped" in _convolutions(graph) else ""
        elif execution == "xla" and found.matmuls < expected[phase].matmuls:
            note = _ELEMENTWISE
        elif execution == "xla" and found.flops > expected[phase].flops:
            note = _ALL_PAIRS if "depthwise" in _convolutions(graph) else ""
        noted[phase] = replace(found, note=note)
    return noted


def _convolutions(graph: Graph) -> set[str]:
    return {
        "depthwise" if groups == graph.specs[call.inputs[0]].shape[-1] else "grouped"
        for call in graph.calls
        if call.op == "conv2d" and (groups := call.attrs.get("groups", 1)) > 1
    }
