"""FLOPs of a record's passes: those that ran, beside those that were asked for."""

from __future__ import annotations

from collections.abc import Mapping


def executed(metrics: Mapping[str, float], phase: str) -> float:
    """FLOPs that ran in forward or backward; those of the trace where they were not counted, or not all of them.

    A count has multiplies alone: it is below the trace's where XLA computes some products element by element.
    """
    asked = metrics.get(f"{phase}_flops", 0.0)
    return max(metrics.get(f"executed_{phase}_flops", 0.0), asked)


def ratios(metrics: Mapping[str, float]) -> dict[str, float]:
    """`ratio_flops` and `ratio_flops_asked`; nothing where forward multiplies nothing."""
    asked = metrics.get("forward_flops")
    if not asked:
        return {}
    return {
        "ratio_flops": executed(metrics, "backward") / executed(metrics, "forward"),
        "ratio_flops_asked": metrics["backward_flops"] / asked,
    }
