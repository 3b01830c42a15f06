"""The findings of a sweep as text: a table, and one sentence that answers the question for this machine."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.base import Choices

from ..records import device, split
from ..records.record import Record
from .plural import plural

COLUMNS = (
    "model",
    "framework",
    "execution",
    "forward ms",
    "backward ms",
    "ratio",
    "95 % interval",
    "by FLOPs",
    "marginal",
    "grad error",
    "matmuls F / B",
    "outcome",
)


def row(record: Record) -> list[str]:
    """The cells of COLUMNS; empty where a number could not be had."""
    metrics, forward, backward = record.metrics, record.phases["forward"], record.phases["backward"]
    counted = forward.matmuls is not None and backward.matmuls is not None
    return [
        record.model,
        record.framework,
        execution(record),
        _number(forward.ms, ".3g"),
        _number(backward.ms, ".3g"),
        _number(metrics.get("ratio"), ".2f") + ("†" if split.differs(record) else ""),
        interval(record),
        by_flops(record),
        _number(metrics.get("ratio_marginal"), ".2f"),
        _number(metrics.get("gradient_error"), ".1e"),
        f"{forward.matmuls} / {backward.matmuls}" + ("*" if record.notes else "") if counted else "",
        _outcome(record),
    ]


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def execution(record: Record) -> str:
    """The execution, followed by the choices that depart from the defaults."""
    departing = Choices(**record.choices).departing
    return " ".join([record.execution, *(f"{name}={value}" for name, value in departing.items())])


def interval(record: Record) -> str:
    """The 95 % interval of the ratio, or why a measured ratio has none."""
    m = record.metrics
    if "ratio_low" in m:
        return f"{m['ratio_low']:.2f} to {m['ratio_high']:.2f}"
    return "too few pairs" if "ratio" in m else ""


def by_flops(record: Record) -> str:
    """The ratio of the executed FLOPs, followed by that of the requested FLOPs in brackets if it differs."""
    shown = [f"{record.metrics[n]:.2f}" for n in ("ratio_flops", "ratio_flops_asked") if n in record.metrics]
    return f"{shown[0]} ({shown[1]})" if len(set(shown)) == 2 else "".join(shown[:1])


def _outcome(record: Record) -> str:
    marks = [mark for mark, applies in (("host-bound", device.host_bound(record)), ("noisy", record.noise)) if applies]
    return ", ".join([record.outcome, *marks])


def remarks(records: Sequence[Record]) -> list[str]:
    """The lines below the table, in its order: failures, differing counts and splits, hosts that delay a GPU, noise.

    The machine's noise floor comes last.
    """
    found = []
    for record in records:
        name = f"{record.model} {record.variant}"
        if record.reason:
            found.append(f"{name} is {record.outcome}: {record.reason}")
        found += [f"* {name}, {phase}: {note}" for phase, note in record.notes.items()]
        if split.differs(record):
            found.append(f"† {name}: {split.remark(record)}")
        if device.host_bound(record):
            found.append(f"{name} is host-bound: {device.remark(record)}")
        if record.noise:
            found.append(f"{name} is noisy: {record.noise}")
    return found + list(dict.fromkeys(record.floor for record in records if record.floor))


def answer(records: Sequence[Record]) -> str:
    """Whether the backward pass takes twice as long as the forward, judged by intervals, not by point values."""
    if not any(r.outcome == "ok" for r in records):
        return "Nothing was measured, so there is no answer."
    measured = [r for r in records if r.outcome == "ok" and "ratio_low" in r.metrics]
    if not measured:
        return "Nothing was measured long enough for an interval, so there is no answer; raise measure.budget_s."
    below = sum(r.metrics["ratio_high"] < 2 for r in measured)
    above = sum(r.metrics["ratio_low"] > 2 for r in measured)
    ratios = sorted(r.metrics["ratio"] for r in measured)
    machine = measured[0].machine
    cpu = f"{machine['cpu']}, {plural(measured[0].threads, 'thread')}"
    where = machine["gpus"][0] if measured[0].device == "cuda" else cpu
    lowest, highest = (f"{ratio:.2f}" for ratio in (ratios[0], ratios[-1]))
    takes = lowest if lowest == highest else f"{lowest} to {highest}"
    return (
        f"Is the backward pass twice the forward? By FLOPs {_by_flops(measured)}; measured on {where} it takes "
        f"{takes} times: of {plural(len(measured), 'variant')}, {below} {'lies' if below == 1 else 'lie'} below 2, "
        f"{above} above, and {len(measured) - below - above} cannot be told from 2 (95 % intervals)."
    )


def _by_flops(measured: Sequence[Record]) -> str:
    """The range of the executed FLOPs' ratio, and of the requested ones' if it differs; some ops have no multiplies."""
    executed, asked = (_between(measured, name) for name in ("ratio_flops", "ratio_flops_asked"))
    if not executed:
        return "it cannot be told, since there are none"
    return f"it is {executed} times" + (f" ({asked} as asked)" if asked and asked != executed else "")


def _between(measured: Sequence[Record], name: str) -> str:
    """The range of a metric over the records that have it: `1.83`, or `1.83 to 2.50`."""
    found = [r.metrics[name] for r in measured if name in r.metrics]
    return " to ".join(dict.fromkeys(f"{n:.2f}" for n in (min(found), max(found)))) if found else ""


def markdown(records: Sequence[Record]) -> str:
    """The findings as Markdown, for MLflow: answer, table, remarks."""
    lines = [f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}"]
    lines += [f"| {' | '.join(text.replace('|', '/') for text in row(record))} |" for record in records]
    return "\n".join([answer(records), "", *lines, "", *(f"- {remark}" for remark in remarks(records))])
