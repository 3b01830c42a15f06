"""What a program may show beside the contract of `base.py`: how long each op takes inside a run of the whole.

It is optional. A program of the catalogue without it costs an explanation one column, and nothing else; a user's own
model, whose ops nobody can replay, is explained by it alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

# Seconds of each call of an op in one run of a program, by its place in the trace (`graph.calls`), then by direction:
# `forward`; `backward`, all of the op's gradients; `dx` and `dw`, those of its data and of its weights, where both are
# wanted and the framework tells them apart, which add up to `backward`; `again`, its forward pass run once more within
# the backward pass; and `ahead`, gradients that the forward pass computes already. What a run does not show, such as
# an op that a compiler has fused into another, is absent.
Times = Mapping[int, Mapping[str, float]]


@runtime_checkable
class Profiled(Protocol):
    """A program that shows the times of its ops."""

    def profiled(self, passes: int) -> list[Times]:
        """Run forward and backward so many times under a profiler, which slows them down; one entry for each.

        Called after first calls, and never while anything is timed for a record. Raises Unsupported where this device
        or these choices show nothing.
        """


@dataclass(frozen=True)
class OpTimes:
    """All calls of one op with inputs of the same shapes, in one run of a user's own model.

    Attributes:
        op: the framework's name of it; empty for what belongs to no op, such as a sum of gradients.
        shape: the shapes of its inputs, as in `64x256 256x256 256`; empty where the framework does not tell them.
        called_by: the parts of the model that call it; the number of a layer is written `#`.
        count: how often it is called.
        forward_s: seconds of these calls.
        backward_s: seconds of what belongs to them in the backward pass.
    """

    op: str
    shape: str
    called_by: tuple[str, ...]
    count: int
    forward_s: float
    backward_s: float


@runtime_checkable
class OwnProfiled(Protocol):
    """A program of a user's own model that shows the times of its ops."""

    def profiled_ops(self, passes: int) -> list[list[OpTimes]]:
        """Run forward and backward so many times under a profiler, which slows them down; one entry for each.

        Called after first calls, and never while anything is timed for a record. Raises Unsupported where this device
        shows nothing.
        """
