"""The device's own time in a record: its metrics, and the cells whose time is mostly launching."""

from __future__ import annotations

from ..measure.protocol import DeviceClock
from .record import Phase, Record

HOST_BOUND = 0.5  # above this share of forward and backward in which the device does nothing, a cell is marked


def described(clock: DeviceClock | None) -> dict[str, str]:
    """Say where the device's times are from, or why there are none; empty for a variant that was not asked."""
    return {} if clock is None else {"device_clock": clock.reason or "CUPTI"}


def add_clock(phases: dict[str, Phase], clock: DeviceClock) -> dict[str, float]:
    """Add the device's time and kernels to phases whose time by the wall clock is known. Returns the metrics."""
    for name, seconds in clock.device_s.items():
        phases[name].device_ms = 1000 * seconds
        phases[name].kernels = clock.kernels[name]
    forward, backward = phases["forward"], phases["backward"]
    if forward.ms is None or backward.ms is None or not forward.device_ms or not backward.device_ms:
        return {}
    return {
        "launch_gap": 1 - (forward.device_ms + backward.device_ms) / (forward.ms + backward.ms),
        "ratio_device": backward.device_ms / forward.device_ms,
    }


def host_bound(record: Record) -> bool:
    """Return True if the device does nothing for most of forward and backward."""
    return record.metrics.get("launch_gap", 0.0) > HOST_BOUND


def remark(record: Record) -> str:
    """Say in one sentence how little the device works, and what the ratio is by its own time."""
    share, ratio = 1 - record.metrics["launch_gap"], record.metrics["ratio_device"]
    return f"the GPU works in {share:.0%} of forward and backward; by its own time backward / forward is {ratio:.2f}"
