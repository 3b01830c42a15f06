"""Likely kernel problems that records show, for every table: of an op measured alone, or of an explained model."""

from __future__ import annotations

import json
from pathlib import Path

from ..records.record import EXPLAINED, Record
from ..workload.cost import cost
from ..workload.workload import Workload
from .report import SLOW


def problems(folder: Path, record: Record) -> list[str]:
    """The likely kernel problems of a record in a folder, in a sentence each."""
    name = f"{record.model} {record.variant}"
    return [f"{name}: {text}" for text in [*_alone(record), *_explained(folder / f"{record.cell}{EXPLAINED}")]]


def _alone(record: Record) -> list[str]:
    """Of a single op: its dX or dW, or both together, at less than a third of forward's rate, or forward of theirs."""
    if record.outcome != "ok" or record.noise or "op" not in record.workload["sizes"]:
        return []
    table = cost(Workload.from_dict(record.workload).graph)
    works = {"forward": table.forward}
    if "backward_inputs" in record.phases:
        works |= {"backward_inputs": table.dx, "backward_params": table.dw}
    else:
        works |= {"backward": table.backward}
    rates = {
        phase: work.flops / 1e6 / ms
        for phase, work in works.items()
        if work.flops and phase in record.phases and (ms := record.phases[phase].ms)
    }
    best = max(rates, key=lambda phase: rates[phase], default="")
    return [
        f"likely a kernel problem: {phase} runs at {rate:.1f} GFLOP/s, {best} at {rates[best]:.1f}"
        for phase, rate in rates.items()
        if SLOW * rate < rates[best]
    ]


def _explained(path: Path) -> list[str]:
    """What an explanation found, if there is a readable one."""
    try:
        return [str(text) for text in json.loads(path.read_text())["flags"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []
