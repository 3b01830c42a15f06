"""The device's own time in a record: its metrics, and the cells whose time is mostly launching."""

from __future__ import annotations

from ..measure.device_numbers import DeviceNumbers
from ..measure.protocol import DeviceClock
from .record import Phase, Record

EVENTS_DIFFER = 0.1  # relative difference from CUPTI's time above which the framework's events are told
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
    by_events = {f"{name}_events_ms": 1000 * seconds for name, seconds in clock.events_s.items()}
    if forward.ms is None or backward.ms is None or not forward.device_ms or not backward.device_ms:
        return by_events
    return by_events | {
        "launch_gap": 1 - (forward.device_ms + backward.device_ms) / (forward.ms + backward.ms),
        "ratio_device": backward.device_ms / forward.device_ms,
    }


def events_differ(record: Record) -> str:
    """Say by how much the framework's events differ from CUPTI's time of a pass; empty if by little or not known."""
    differences = []
    for name in ("forward", "backward"):
        by_events, by_cupti = record.metrics.get(f"{name}_events_ms"), record.phases[name].device_ms
        if by_events and by_cupti and abs(by_events / by_cupti - 1) > EVENTS_DIFFER:
            differences.append(f"{name} {by_events / by_cupti - 1:+.0%}")
    return " and ".join(differences)


def host_bound(record: Record) -> bool:
    """Return True if the device does nothing for most of forward and backward."""
    return record.metrics.get("launch_gap", 0.0) > HOST_BOUND


def remark(record: Record) -> str:
    """Say in one sentence how little the device works, and what the ratio is by its own time."""
    share, ratio = 1 - record.metrics["launch_gap"], record.metrics["ratio_device"]
    return f"the GPU works in {share:.0%} of forward and backward; by its own time backward / forward is {ratio:.2f}"
