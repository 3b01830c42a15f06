"""FLOPs of backward over those of forward: of the programs that run, and as the trace asks for them."""

from __future__ import annotations

from collections.abc import Mapping

from .record import Phase


def ratios(phases: Mapping[str, Phase]) -> dict[str, float]:
    """`ratio_flops` and `ratio_flops_asked`; nothing where forward multiplies nothing."""
    forward, backward = phases["forward"], phases["backward"]
    if not forward.asked_flops or backward.asked_flops is None:
        return {}
    return {
        "ratio_flops": backward.work_flops / forward.work_flops,
        "ratio_flops_asked": backward.asked_flops / forward.asked_flops,
    }
