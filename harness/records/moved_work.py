"""Work moved between the passes: multiplies that backward runs once more, and gradients that forward runs already.

Counted in what was executed, against the trace, in which nothing is recomputed. A share is of forward's FLOPs in the
trace, as those of the ratio are: `0.01 of 2.01`.
"""

from __future__ import annotations

from collections import Counter

from ..workload.cost import again, price
from ..workload.workload import Workload
from .record import Phase, Record


def sentences(record: Record) -> list[str]:
    """Say of both passes what they execute beyond what the trace has in them, in a sentence each."""
    said = []
    if more := remark(record, "forward"):
        said.append(f"moved work: {more}{_reason(record, 'forward')}")
    if more := remark(record, "backward"):
        said.append(f"moved work: {more}{_reason(record, 'backward')}")
    return said


def remark(record: Record, name: str) -> str:
    """Say how much a pass, `forward` or `backward`, executes beyond what the trace has in it; empty if nothing."""
    phase, forward = record.phases.get(name), record.phases.get("forward")
    if phase is None or forward is None or not forward.asked_flops or _more(phase) <= 0:
        return ""
    share, whole = (flops / forward.asked_flops for flops in (_more(phase), phase.flops or 0))
    matmuls = (phase.matmuls or 0) - (phase.asked_matmuls or 0)
    if name == "forward" and _more(record.phases.get("backward", Phase())) < 0:
        return f"{matmuls} multiplies of backward run in forward, {share:.2f} of {whole:.2f}"
    ops = ", ".join(f"{op} {times}" for op, times in recomputed(record).items()) if name == "backward" else ""
    return f"{matmuls} multiplies more in {name}, {share:.2f} of {whole:.2f}" + (f" ({ops})" if ops else "")


def recomputed(record: Record) -> Counter[str]:
    """How often each op that multiplies is computed again in backward, because the choices ask for it."""
    if record.phases.get("backward", Phase()).asked_flops is None:
        return Counter()  # a user's own model has no trace
    choices = record.named_variant.choices
    if choices.residuals == "store" and choices.autodiff != "by_hand_recomputed":
        return Counter()
    graph = Workload.from_dict(record.workload).graph
    repeated = again(graph, choices.residuals, choices.autodiff)
    return Counter(call.op for call in repeated if price(graph, call).forward.flops)


def _more(phase: Phase) -> int:
    """FLOPs executed beyond those of the trace; 0 where either is not known."""
    return 0 if phase.flops is None or phase.asked_flops is None else phase.flops - phase.asked_flops


def _reason(record: Record, name: str) -> str:
    note = record.phases[name].note.rstrip(".")
    if note:
        return f": {note}"
    return ": what forward did not keep is computed again" if name == "backward" and recomputed(record) else ""
