"""Likely kernel problems of an op that was measured alone: a direction far slower than the best one of the same op."""

from __future__ import annotations

from ..workload.cost import cost
from ..workload.workload import Workload
from .record import Record

SLOW = 3  # times slower than the best direction of the same op: a likely kernel problem


def is_slow(record: Record) -> bool:
    """Return True if a pass of an op runs at less than a third of the rate of its best one."""
    return bool(remark(record))


def remark(record: Record) -> str:
    """Say which of forward, dX and dW (or both together) is slow, and how fast the best one is; empty if none."""
    rates = _gflops(record)
    best = max(rates, key=lambda phase: rates[phase], default="")
    slow = [
        f"{phase} runs at {rate:.1f} GFLOP/s, {best} at {rates[best]:.1f}"
        for phase, rate in rates.items()
        if SLOW * rate < rates[best]
    ]
    return " and ".join(slow)


def _gflops(record: Record) -> dict[str, float]:
    """Compute the rate of each pass that multiplies: by the device's own time, if that is known of all of them."""
    if record.outcome != "ok" or record.noise or "op" not in record.workload["sizes"]:
        return {}
    table = cost(Workload.from_dict(record.workload).graph)
    works = {"forward": table.forward}
    if "backward_inputs" in record.phases:
        works |= {"backward_inputs": table.dx, "backward_params": table.dw}
    else:
        works |= {"backward": table.backward}
    phases = {name: record.phases[name] for name, work in works.items() if work.flops and name in record.phases}
    on_device = all(phase.device_ms for phase in phases.values())
    times = {name: phase.device_ms if on_device else phase.ms for name, phase in phases.items()}
    return {name: works[name].flops / 1e6 / ms for name, ms in times.items() if ms}
