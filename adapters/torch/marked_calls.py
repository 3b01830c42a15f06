"""Numbers the calls of a trace, so that torch's profiler can tell each of them apart in a compiled run.

A node is known by the scope of its call, as in XLA: `transpose(call3.op)` in the gradient of the fourth call.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, fx

from ..common.scopes import Event, Shape, scope
from .marked import NUMBER, Passes, number_of

Label = tuple[str, Shape]  # a scope, and the shape of what a node computes


def annotated(number: int) -> AbstractContextManager[Any]:
    """The context of the call of that number, while it is traced."""
    return torch.fx.traceback.annotate({NUMBER: number})


def label_of(node: fx.Node) -> Label:
    """The label of an annotated node; what is computed again in a backward pass is no gradient."""
    name, value = scope(number_of(node) or 0), node.meta.get("val")
    gradient = node.meta.get("autograd_backward") and node.meta.get("partitioner_tag") != "is_forward"
    return f"transpose({name})" if gradient else name, tuple(value.shape) if isinstance(value, Tensor) else ()


def events_of(passes: Passes[Label]) -> Mapping[str, list[Event]]:
    """What ran in each pass and belongs to a call."""
    return {name: [(*label, seconds) for label, seconds in ran if label] for name, ran in passes.items()}
