"""Defines the numbers of a reduction among replicas: the unit and a sentence of each, as `metrics.py` has them."""

REDUCTION: dict[str, tuple[str, str]] = {
    "exposed_communication": (
        "1",
        "1 - backward_local / backward, from cycles: the share of backward that the reduction of gradients costs.",
    ),
    "exposed_communication_low": ("1", "Lower end of the 95 % interval of `exposed_communication`."),
    "exposed_communication_high": ("1", "Upper end of the 95 % interval of `exposed_communication`."),
    "reduction_ms": (
        "ms",
        "From the beginning of a backward pass's first reduction to the end of its last, by the framework's own record "
        "(DDP's), in passes of their own.",
    ),
    "reduction_overlap_ms": ("ms", "The part of `reduction_ms` in which gradients are still computed."),
    "exposed_by_framework": (
        "1",
        "The rest of `reduction_ms`, over itself and the time until all gradients are computed, by the same record.",
    ),
}
