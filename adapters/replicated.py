"""What a program of several replicas is beside the contract of `base.py`: data parallelism, as its framework does it.

Each replica is a device (of a CPU: a share of it) that has all parameters and an equal part of the batch. Forward
passes are each replica's own. `backward` and `gradient` include the reduction: from them, every replica has the mean
of all replicas' gradients. `forward_local` and `backward_local` are the same two passes without the reduction, from
which every replica has its own gradients. A phase has ended when it has in every replica.

`graph` is what one replica computes; of the arrays that come with it, an input whose first axis is longer than the
graph's is split along it. `executed` and `residual_bytes` are those of one replica.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np

from .base import PHASES, Program

LOCAL_PHASES = ("forward_local", "backward_local")
REPLICATED_PHASES = (*PHASES, *LOCAL_PHASES)


@runtime_checkable
class Replicated(Program, Protocol):
    """A program of several replicas. `processes` are the ids of those that it started beside this one."""

    replicas: int
    processes: tuple[int, ...]

    def forward_local(self) -> tuple[Any, Any]:
        """As `forward`, before a `backward_local`."""

    def backward_local(self, kept: tuple[Any, Any], /) -> Mapping[str, Any]:
        """As `backward`, without the reduction, from the pair that `forward_local` returned."""

    def losses(self, loss: Any, /) -> list[float]:
        """The loss of each replica's part of the batch, from what the last phase with a loss returned."""

    def export_each(self, gradients: Mapping[str, Any], /) -> list[dict[str, np.ndarray]]:
        """Each replica's gradients as `export` has them, from what the last phase with gradients returned."""

    def reduction(self) -> dict[str, float]:
        """What the framework itself tells of its reductions so far, in seconds, by name; empty if it tells nothing.

        `reduction` is from the beginning of a backward pass's first reduction to the end of the last, `overlap` the
        part of it in which gradients are still computed, and `compute` the time until all of them are.
        """
