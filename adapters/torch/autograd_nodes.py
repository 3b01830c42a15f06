"""The nodes of torch's backward pass among the events of its profiler."""

from __future__ import annotations

from collections.abc import Iterator

from torch.autograd.profiler_util import FunctionEvent

NODE = "autograd::engine::evaluate_function: "  # what the name of a node's event begins with


def node_above(event: FunctionEvent) -> FunctionEvent | None:
    """The node within which an event runs, if one."""
    above = event.cpu_parent
    while above is not None and not above.name.startswith(NODE):
        above = above.cpu_parent
    return above


def events_below(event: FunctionEvent) -> Iterator[FunctionEvent]:
    """All that runs within an event, in order."""
    for child in event.cpu_children:
        yield child
        yield from events_below(child)
