"""Whether forward and backward, measured apart, are together what a training step runs in one call."""

from __future__ import annotations

import math
from collections.abc import Mapping

from .record import Phase, Record

LOW, HIGH = 0.9, 1.15  # of gradient's time: what forward and backward together may take
CALL_MS = 0.25  # what a call may take by itself; two calls have one more of it than one


def differs(record: Record) -> bool:
    """Whether all of the 95 % interval of `split_over_gradient` lies outside, by more than a call takes by itself."""
    m = record.metrics
    if "split_over_gradient_low" not in m:
        return False
    above, below = m["split_over_gradient_low"], m["split_over_gradient_high"]
    call = CALL_MS / (record.phases["gradient"].ms or math.inf)
    return above > max(HIGH, 1 + call) or below < min(LOW, 1 - call)


def remark(record: Record) -> str:
    """One sentence that says by how much, and why where it is known."""
    m = record.metrics
    names = ("split_over_gradient", "split_over_gradient_low", "split_over_gradient_high")
    ratio, low, high = (f"{m[name]:.2f}" for name in names)
    return f"forward and backward take {ratio} times gradient ({low} to {high}): {_reason(record.phases)}"


def _reason(phases: Mapping[str, Phase]) -> str:
    """Known where other multiplies run: a compiler has merged some where both passes are one program."""
    forward, backward, gradient = (phases[name].matmuls for name in ("forward", "backward", "gradient"))
    if forward is None or backward is None or gradient is None or forward + backward == gradient:
        return "why is not known"
    return f"apart they execute {forward} + {backward} multiplies, and {gradient} in one program"
