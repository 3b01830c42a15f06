"""FLOPs of backward over FLOPs of forward: as executed, and as the trace requests them."""

from __future__ import annotations

from collections.abc import Mapping

from .record import Phase


def ratios(phases: Mapping[str, Phase]) -> dict[str, float]:
    """Compute the metrics `ratio_flops` and `ratio_flops_asked`; neither exists if forward has no multiplies.

    A user's own model has no trace, and so no `ratio_flops_asked`.
    """
    forward, backward = phases["forward"], phases["backward"]
    if not forward.work_flops:
        return {}
    metrics = {}
    if backward.flops is not None or backward.asked_flops is not None:
        metrics["ratio_flops"] = backward.work_flops / forward.work_flops
    if forward.asked_flops and backward.asked_flops is not None:
        metrics["ratio_flops_asked"] = backward.asked_flops / forward.asked_flops
    return metrics
