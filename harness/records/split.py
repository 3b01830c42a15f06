"""Checks that forward and backward, timed apart, add up to the gradient that a training step runs in one call."""

from __future__ import annotations

import math
from collections.abc import Mapping

from .record import Phase, Record

LOW, HIGH = 0.9, 1.15  # allowed time of forward and backward together, over the time of gradient
CALL_MS = 0.25  # allowed overhead of a call; forward and backward are one call more than gradient


def differs(record: Record) -> bool:
    """Return True if all of `split_over_gradient`'s 95 % interval is out of bounds by more than a call's overhead."""
    metrics = record.metrics
    if "split_over_gradient_low" not in metrics:
        return False
    low, high = metrics["split_over_gradient_low"], metrics["split_over_gradient_high"]
    overhead = CALL_MS / (record.phases["gradient"].ms or math.inf)
    return low > max(HIGH, 1 + overhead) or high < min(LOW, 1 - overhead)


def below_its_part(record: Record) -> bool:
    """Return True if gradient takes less time than inference, though it contains it, by the whole 95 % interval."""
    return record.metrics.get("ratio_marginal_high", 0.0) < 0


def remark(record: Record) -> str:
    """Say in one sentence by how much they differ, and why if that is known."""
    metrics = record.metrics
    names = ("split_over_gradient", "split_over_gradient_low", "split_over_gradient_high")
    ratio, low, high = (f"{metrics[name]:.2f}" for name in names)
    return f"forward and backward take {ratio} times gradient ({low} to {high}): {_reason(record.phases)}"


def _reason(phases: Mapping[str, Phase]) -> str:
    """Say why they differ: a compiler may merge multiplies if both passes are one program; otherwise it is unknown."""
    forward, backward, gradient = (phases[name].matmuls for name in ("forward", "backward", "gradient"))
    if forward is None or backward is None or gradient is None or forward + backward == gradient:
        return "why is not known"
    return f"apart they execute {forward} + {backward} multiplies, and {gradient} in one program"
