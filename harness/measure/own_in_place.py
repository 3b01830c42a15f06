"""How long each op of a user's own model takes inside runs of it, under the framework's profiler: inside the worker."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, replace

from adapters.base import Program, Unsupported
from adapters.profiled import OpTimes, OwnProfiled

from .protocol import OwnInPlace


def own_in_place(program: Program, framework: str, execution: str, passes: int) -> OwnInPlace:
    """The median of each op over that many runs, or the reason why there is none."""
    if not isinstance(program, OwnProfiled):
        return OwnInPlace(reason=f"{framework} {execution} does not show the ops of a model of your own yet")
    try:
        return OwnInPlace([asdict(op) for op in _medians(program.profiled_ops(passes))])
    except Unsupported as refusal:
        return OwnInPlace(reason=str(refusal))


def _medians(runs: Sequence[Sequence[OpTimes]]) -> list[OpTimes]:
    """Each op with the medians of its seconds over all runs; one that a run lacks took none there."""
    by_op = [{(op.op, op.shape): op for op in run} for run in runs]
    medians = []
    for key, some in {key: op for run in reversed(by_op) for key, op in run.items()}.items():
        absent = replace(some, forward_s=0.0, backward_s=0.0)
        forward_s, backward_s = (
            statistics.median(getattr(run.get(key, absent), name) for run in by_op)
            for name in ("forward_s", "backward_s")
        )
        medians.append(replace(some, forward_s=forward_s, backward_s=backward_s))
    return medians
