"""Explains a user's own model: each op in place, in runs of the whole under the framework's profiler.

Nobody has such a model's trace, so no op of it is replayed alone, and its ratio is no product of causes. The profiled
runs have a process of their own, and are never the timed ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from adapters.profiled import OpTimes

from ..job import Job, Variant
from ..measure.launch import Conditions, Launch
from ..measure.protocol import Failure, OwnInPlace
from ..paths import temporary_folder
from ..records.record import EXPLAINED, Record, read_head, write_json
from ..views.labels import variant_name
from ..workload.own import OwnWorkload, write_own
from .bench import WARM_S, opened
from .in_place import DIFFERS, LEAST_SHARE
from .parts import replayed
from .replay import profiled_passes

COLUMNS = (
    *("op", "shape", "count", "forward ms", "% of forward", "backward ms", "% of backward", "backward / forward"),
    "called by",
)
OTHERS = "others"
NO_OP = "of no op"
_CALLERS = 2  # named in a row of the table
_PAIR = ("forward", "backward")


@dataclass(frozen=True)
class OpRow:
    """All calls of an op with the same shapes, in one run.

    Shares are those of the timed pass, or of all ops together where these take longer in the profiled one.
    """

    op: str
    shape: str
    called_by: tuple[str, ...]
    count: int
    forward_ms: float
    backward_ms: float
    forward_share: float
    backward_share: float

    def cells(self) -> list[str]:
        """A row of the table as text."""
        further = [f"{len(self.called_by) - _CALLERS} more"] if len(self.called_by) > _CALLERS else []
        return [
            *(self.op, self.shape, str(self.count)),
            *(f"{self.forward_ms:.3g}", f"{100 * self.forward_share:.1f}"),
            *(f"{self.backward_ms:.3g}", f"{100 * self.backward_share:.1f}"),
            f"{self.backward_ms / self.forward_ms:.2f}" if self.forward_ms and self.backward_ms else "",
            ", ".join([*self.called_by[:_CALLERS], *further]),
        ]


@dataclass(frozen=True)
class OwnExplanation:
    """The ops of a user's own model, the slowest first, and what is said of them, or why there are none."""

    rows: tuple[OpRow, ...]
    says: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON, under a key that explanations of the catalogue's models lack."""
        return {"own_ops": asdict(self)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> OwnExplanation:
        """Read what `as_dict` wrote. Raises KeyError and TypeError for anything else."""
        own = content["own_ops"]
        rows = [OpRow(**row | {"called_by": tuple(row["called_by"])}) for row in own["rows"]]
        return cls(tuple(rows), tuple(own["says"]))


def explain_own_job(
    job: Job,
    workload: OwnWorkload,
    variants: Sequence[Variant],
    launch: Callable[[Variant], Launch],
    conditions: Conditions,
    say: Callable[[str], None],
    show: Callable[[Sequence[str], Sequence[Sequence[str]]], None],
    starting: Callable[[Variant], None],
) -> None:
    """Explain those variants whose record is `ok`, write each explanation beside its record, and show it."""
    for variant in variants:
        starting(variant)
        how = replace(launch(variant), choices=replayed(variant))
        explained = explain_own(workload, variant, how, conditions, read_head(job.path(variant)))
        write_json(job.path(variant).with_suffix(EXPLAINED), explained.as_dict())
        if explained.rows:
            say(f"\n{workload.label} {variant_name(variant)}: each op, in place in the whole run")
            show(COLUMNS, [row.cells() for row in explained.rows])
        for text in explained.says:
            say(text if explained.rows else f"\n{workload.label} {variant_name(variant)}: {text}")


def explain_own(
    workload: OwnWorkload, variant: Variant, launch: Launch, conditions: Conditions, record: Record
) -> OwnExplanation:
    """Profile one variant, whose times its record has. If that fails, the reason is the explanation's only sentence."""
    timed = {name: record.phases[name].ms or 0.0 for name in _PAIR}
    if not all(timed.values()):
        return _nothing("its record has no time of forward and backward")
    try:
        shown = _profile(workload, launch, conditions, profiled_passes(1e-3 * sum(timed.values())))
    except Failure as failure:
        return _nothing(failure.reason)
    return explanation(shown, timed)


def _nothing(reason: str) -> OwnExplanation:
    return OwnExplanation((), (f"not explained ({reason})",))


def _profile(workload: OwnWorkload, launch: Launch, conditions: Conditions, passes: int) -> OwnInPlace:
    """Build the model in a worker and profile it; its reference in float64, which loading needs, comes first.

    Raises Failure.
    """
    deadline_s = conditions.measure.deadline_s
    with temporary_folder() as temporary:
        folder = Path(temporary) / "workload"
        write_own(workload, folder)
        with opened(launch, replace(conditions, precision="fp64")) as worker:
            worker.reference(deadline_s, folder, draw=True)
        with opened(launch, conditions) as worker:
            worker.load(deadline_s, folder, launch.execution, launch.choices, _PAIR)
            worker.warm(deadline_s, WARM_S)
            return worker.own_in_place(deadline_s, passes)


def explanation(shown: OwnInPlace, timed: Mapping[str, float]) -> OwnExplanation:
    """The table of what a profiler showed, and what it adds up to of the passes that took `timed` milliseconds."""
    if not shown.ops:
        return _nothing(shown.reason or "the profiler saw no op")
    ops = [OpTimes(**op | {"called_by": tuple(op["called_by"])}) for op in shown.ops]
    profiled = {name: 1e3 * sum(getattr(op, f"{name}_s") for op in ops) for name in _PAIR}
    rows = [_row(op, {name: max(timed[name], profiled[name]) for name in _PAIR}) for op in ops]
    shares = {name: profiled[name] / timed[name] for name in _PAIR}
    return OwnExplanation(tuple(_ranked(rows)), tuple(_sentences(shares)))


def _row(op: OpTimes, wholes: Mapping[str, float]) -> OpRow:
    """A row of the table; `wholes` are the milliseconds that its shares are of, by pass."""
    times = 1e3 * op.forward_s, 1e3 * op.backward_s
    shares = (ms / wholes[name] for ms, name in zip(times, _PAIR, strict=True))
    return OpRow(op.op or NO_OP, op.shape, op.called_by, op.count, *times, *shares)


def _ranked(rows: Sequence[OpRow]) -> Iterator[OpRow]:
    """The slowest ops first, then those too small for a row of their own, then what belongs to no op.

    Calls of the same op that are small by themselves share a row if it is large enough.
    """
    rest = [row for row in rows if row.op == NO_OP]
    large = [row for row in rows if row.op != NO_OP and _is_large(row)]
    small: list[OpRow] = []
    by_op: dict[str, list[OpRow]] = {}
    for row in rows:
        if row.op != NO_OP and not _is_large(row):
            by_op.setdefault(row.op, []).append(row)
    for op, members in by_op.items():
        together = _joined(op, f"{len(members)} shapes", members)
        (large if _is_large(together) else small).append(together)
    yield from sorted(large, key=lambda row: -row.forward_ms - row.backward_ms)
    if small:
        yield _joined(OTHERS, "", small)
    yield from rest


def _is_large(row: OpRow) -> bool:
    return max(row.forward_share, row.backward_share) >= LEAST_SHARE


def _joined(op: str, shape: str, rows: Sequence[OpRow]) -> OpRow:
    """Several rows as one."""
    callers = dict.fromkeys(caller for row in rows for caller in row.called_by)
    numbers = ("count", "forward_ms", "backward_ms", "forward_share", "backward_share")
    return OpRow(op, shape, tuple(callers), *(sum(getattr(row, name) for row in rows) for name in numbers))


def _sentences(shares: Mapping[str, float]) -> Iterator[str]:
    """What the rows add up to, and what that means for them."""
    yield (
        f"in place, under a profiler, the ops add up to {shares['forward']:.0%} of forward "
        f"and {shares['backward']:.0%} of backward"
    )
    for name, share in shares.items():
        if share < 1 / DIFFERS:
            yield f"the rest of {name} is spent between the ops, by Python and the framework"
        if share > DIFFERS:
            yield (
                f"the profiler slows the ops of {name}, or other programs did so meanwhile: compare them with one "
                "another, not with the timed pass"
            )
