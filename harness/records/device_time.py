"""The device's own time in a record: its metrics, and the cells whose time is mostly launching."""

from __future__ import annotations

from ..measure.device_numbers import DeviceNumbers
from ..measure.protocol import DeviceClock
from .record import Phase, Record

HOST_BOUND = 0.5  # above this share of forward and backward in which the device does nothing, a cell is marked


def described(numbers: DeviceNumbers) -> dict[str, str]:
    """Say where the device's numbers are from, or why there are none; empty for what was not asked."""
    sources = {}
    if numbers.memory:
        sources["peak_memory"] = numbers.memory.reason or numbers.memory.source
    if numbers.energy:
        sources["energy"] = numbers.energy.reason or numbers.energy.counter
    if numbers.clock:
        sources["device_clock"] = numbers.clock.reason or "CUPTI"
    return sources


def add_to(phases: dict[str, Phase], numbers: DeviceNumbers) -> dict[str, float]:
    """Add what is known of the device to phases whose time by the wall clock is known. Returns the metrics."""
    if numbers.memory:
        for name, peak in numbers.memory.peak_bytes.items():
            phases[name].peak_mib = peak / 2**20
    if numbers.energy:
        for name, joules in numbers.energy.joules.items():
            phases[name].joules = joules
    return _add_clock(phases, numbers.clock) if numbers.clock else {}


def _add_clock(phases: dict[str, Phase], clock: DeviceClock) -> dict[str, float]:
    """Add the device's time and kernels to the phases. Returns the metrics."""
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
