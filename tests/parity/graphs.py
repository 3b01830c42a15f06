"""How a library's layers take a traced model apart: which arguments are a layer's weights, and which are not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.workload.trace import Call, Graph

# Positions of an op's weights among its arguments, where libraries have a layer for it.
WEIGHTS: dict[str, Sequence[int]] = {
    **dict.fromkeys(("linear", "conv2d", "conv_transpose2d"), (1, 2)),
    **dict.fromkeys(("batch_norm", "layer_norm", "group_norm"), (1, 2)),
    "batch_norm_inference": (1, 2, 3, 4),
    **dict.fromkeys(("rms_norm", "tied_linear"), (1,)),
    "embedding": (0,),
    "lstm": (3, 4, 5),
    "gru": (2, 3, 4, 5),
}


@dataclass(frozen=True)
class Step:
    """One call: the names and shapes of its weights, if it is a layer's, and the numbers of its other arguments."""

    call: Call
    weights: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    arguments: tuple[int, ...]

    @property
    def layer(self) -> str:
        """A name for the layer; layers that share their first weight are one."""
        return self.weights[0].replace(".", "_")


def steps(graph: Graph) -> Iterator[Step]:
    """The calls in order."""
    named = {number: name for name, number in (graph.params | graph.inputs).items()}
    for call in graph.calls:
        at = [i for i in WEIGHTS.get(call.op, ()) if i < len(call.inputs)]
        rest = tuple(number for i, number in enumerate(call.inputs) if i not in at)
        weights = [call.inputs[i] for i in at]
        shapes = tuple(graph.specs[number].shape for number in weights)
        yield Step(call, tuple(named[number] for number in weights), shapes, rest)


def given(graph: Graph) -> dict[str, int]:
    """Named values that no layer holds: the data, and parameters such as a class token."""
    held = {name for step in steps(graph) for name in step.weights}
    return {name: number for name, number in (graph.params | graph.inputs).items() if name not in held}


def flattened(graph: Graph) -> dict[int, tuple[int, ...]]:
    """The shape [height, width, channels] of each image that is flattened, by the number of the result."""
    return {c.outputs[0]: graph.specs[c.inputs[0]].shape[1:] for c in graph.calls if c.op == "flatten"}
