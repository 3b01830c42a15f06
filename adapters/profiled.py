"""What a program may show beside the contract of `base.py`: how long each op takes inside a run of the whole.

It is optional. A program without it costs an explanation one column, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
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
