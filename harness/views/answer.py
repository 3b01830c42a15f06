"""The sentence that answers the question for this machine, judged by intervals and not by point values."""

from __future__ import annotations

from collections.abc import Sequence

from ..records.record import Record
from .plural import enumerated, plural

_NAMED = 8  # variants without a telling interval that are named
TELLS_NOTHING = 4.0  # an interval whose ends differ by more than this factor is no answer, and its centre no number


def is_conclusive(record: Record) -> bool:
    """Return True if the ratio has an interval that is narrow enough to say anything."""
    metrics = record.metrics
    return "ratio_low" in metrics and metrics["ratio_high"] <= TELLS_NOTHING * metrics["ratio_low"]


def answer(records: Sequence[Record], names: Sequence[str] = ()) -> str:
    """Say whether the backward pass takes twice as long as the forward.

    Variants that were measured and have no telling interval are named, by `names` if these are given for all records.
    """
    ok = [record for record in records if record.outcome == "ok"]
    if not ok:
        return "Nothing was measured, so there is no answer."
    conclusive = [record for record in ok if is_conclusive(record)]
    if not conclusive:
        return "Nothing was measured long enough for an interval, so there is no answer; raise measure.budget_s."
    by_name = zip(names or [f"{record.model} {record.variant}" for record in records], records, strict=True)
    inconclusive = [name for name, record in by_name if record.outcome == "ok" and not is_conclusive(record)]
    return (
        f"Is the backward pass twice the forward? By FLOPs {_by_flops(ok)}; measured on {_where(ok)}, "
        f"it takes {_takes(conclusive)}.{_left_out(inconclusive)}"
    )


def headline(records: Sequence[Record]) -> str:
    """Say the answer as a title does: `1.18 to 2.33 times, by FLOPs 1.83 to 2.00`."""
    conclusive = [record for record in records if record.outcome == "ok" and is_conclusive(record)]
    if not conclusive:
        return "cannot be told"
    counted = _between(conclusive, "ratio_flops")
    by_flops = f", by FLOPs {counted}" if counted else ""
    return f"{_between(conclusive, 'ratio')} times{by_flops}"


def _takes(conclusive: Sequence[Record]) -> str:
    """Say how many times as long backward takes, and on which side of 2 that is."""
    lows, highs = [r.metrics["ratio_low"] for r in conclusive], [r.metrics["ratio_high"] for r in conclusive]
    if len(conclusive) == 1:
        side = "is below 2" if highs[0] < 2 else "is above 2" if lows[0] > 2 else "may or may not be 2"
        interval = f"95 % interval {lows[0]:.2f} to {highs[0]:.2f}"
        return f"{conclusive[0].metrics['ratio']:.2f} times as long, which {side} ({interval})"
    below, above = sum(high < 2 for high in highs), sum(low > 2 for low in lows)
    counted = f"{below} {'lies' if below == 1 else 'lie'} below 2, {above} above"
    rest = f"{len(conclusive) - below - above} cannot be told apart from 2 (95 % intervals)"
    variants = plural(len(conclusive), "variant")
    return f"{_between(conclusive, 'ratio')} times as long: of {variants}, {counted}, and {rest}"


def _left_out(names: Sequence[str]) -> str:
    """Name the variants without an interval that tells anything."""
    if not names:
        return ""
    return f" Left out: {plural(len(names), 'variant')} without a usable interval ({enumerated(names, _NAMED)})."


def _where(records: Sequence[Record]) -> str:
    """Name the processors, as a rule one."""
    return " and ".join(dict.fromkeys(map(place, records)))


def place(record: Record) -> str:
    """Name the processor that a record was measured on: a GPU, or a CPU with its threads."""
    machine = record.machine
    return (
        machine["gpus"][0] if record.device == "cuda" else f"{machine['cpu']} with {plural(record.threads, 'thread')}"
    )


def _by_flops(measured: Sequence[Record]) -> str:
    """The range of the executed FLOPs' ratio, and of the requested ones' if it differs; some ops have no multiplies."""
    executed, asked = (_between(measured, name) for name in ("ratio_flops", "ratio_flops_asked"))
    if not executed:
        return "it cannot be told, since there are none"
    return f"it is {executed} times" + (f" ({asked} as asked)" if asked and asked != executed else "")


def _between(measured: Sequence[Record], name: str) -> str:
    """The range of a metric over the records that have it: `1.83`, or `1.83 to 2.50`."""
    values = [r.metrics[name] for r in measured if name in r.metrics]
    return " to ".join(dict.fromkeys(f"{value:.2f}" for value in (min(values), max(values)))) if values else ""
