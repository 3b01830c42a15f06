"""FLOPs of backward over FLOPs of forward: as executed, and as the trace requests them."""

from __future__ import annotations

from collections.abc import Mapping

from .record import Phase


def ratios(phases: Mapping[str, Phase]) -> dict[str, float]:
    """Compute the metrics `ratio_flops` and `ratio_flops_asked`; neither exists if forward has no multiplies."""
    forward, backward = phases["forward"], phases["backward"]
    if not forward.asked_flops or backward.asked_flops is None:
        return {}
    return {
        "ratio_flops": backward.work_flops / forward.work_flops,
        "ratio_flops_asked": backward.asked_flops / forward.asked_flops,
    }
