"""Compares each op timed alone with the same op in place, as a replay may differ from the real run.

Alone means `Net` and the cost of calling the op, but not that of a pass. In place is the mean over all calls of a part
in runs of the whole program under the framework's profiler, which slows down small ops; so only those that matter are
compared.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..measure.protocol import InPlace
from .calls import Calls
from .factors import Net
from .parts import Part
from .replay import Replay

LEAST_SHARE = 0.02  # of the pass, alone or in place: a part below it is not compared
DIFFERS = 1.25  # times longer or shorter: the replay does not stand for the real run there
COLUMNS = ("op", "shape", "count", "pass", "alone ms", "in place ms", "in place / alone")
MARK = "*"
DIFFERENCE = (
    f"{MARK} alone and in place differ by more than a quarter: in the whole run the op finds other things in the "
    "caches, or is fused with its neighbours"
)

_NAMES = {"dx": "dX", "dw": "dW"}
_SHOWN = {"forward": ("forward", "ahead"), "backward": ("backward", "again")}  # directions that add up to each pass


@dataclass(frozen=True)
class Compared:
    """The times of one direction of a part, per call, in milliseconds; `share` is what all its calls take of the pass.

    `tells` is False where the ops take so much longer under the profiler than the timed pass that nothing follows.
    """

    op: str
    shape: str
    count: int
    direction: str
    alone_ms: float
    in_place_ms: float
    share: float
    tells: bool = True

    @property
    def differs(self) -> bool:
        """Whether it takes so much more or less time in place that the replay does not stand for it."""
        return self.tells and abs(math.log(self.in_place_ms / self.alone_ms)) > math.log(DIFFERS)

    def cells(self) -> list[str]:
        """A row of the table as text."""
        mark = f" {MARK}" if self.differs else ""
        return [
            *(self.op, self.shape, str(self.count), self.direction),
            *(f"{self.alone_ms:.3g}", f"{self.in_place_ms:.3g}", f"{self.in_place_ms / self.alone_ms:.2f}{mark}"),
        ]


@dataclass(frozen=True)
class InPlaceComparison:
    """The parts that matter most, alone and in place, and what is said of them."""

    rows: tuple[Compared, ...]
    says: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The rows and sentences, ready for JSON."""
        return {"rows": [asdict(row) | {"differs": row.differs} for row in self.rows], "says": list(self.says)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> InPlaceComparison:
        """Read what `as_dict` wrote. Raises KeyError and TypeError for anything else."""
        rows = [{name: value for name, value in row.items() if name != "differs"} for row in content["rows"]]
        return cls(tuple(Compared(**row) for row in rows), tuple(content["says"]))


def compare(net: Mapping[Part, Net], measured: Replay) -> InPlaceComparison:
    """Compare the times of parts alone with those in place; the rows that take most come first."""
    shown = measured.in_place
    calls = {name: Calls.of(measured.tiny_seconds(name)).op for name in ("forward", "backward")}
    seconds = {"forward": math.exp(measured.forward.centre), "backward": math.exp(measured.backward.centre)}
    explained = {
        name: sum(times.get(direction, 0.0) for times in shown.seconds.values() for direction in _SHOWN[name]) / whole_s
        for name, whole_s in seconds.items()
    }
    rows = []
    for part, alone in net.items():
        for direction, alone_s, in_place_s in _directions(part, _called(alone, calls), shown):
            name = "forward" if direction == "forward" else "backward"
            share = part.count * max(alone_s, in_place_s) / seconds[name]
            if share >= LEAST_SHARE:
                times, tells = (1e3 * alone_s, 1e3 * in_place_s), explained[name] <= DIFFERS
                rows.append(Compared(part.op, part.shape, part.count, direction, *times, share, tells))
    rows.sort(key=lambda row: -row.count * max(row.alone_ms, row.in_place_ms))
    return InPlaceComparison(tuple(rows), tuple(_sentences(rows, shown, seconds, explained)))


def _called(net: Net, calls: Mapping[str, float]) -> Net:
    """Add the cost of calling an op to its times; dX and dW share that of backward."""
    if not net.backward:
        return Net(net.forward + calls["forward"], 0.0, 0.0, 0.0)
    share = 1 + calls["backward"] / net.backward
    return Net(net.forward + calls["forward"], *(share * seconds for seconds in (net.backward, net.dx, net.dw)))


def _directions(part: Part, alone: Net, shown: InPlace) -> Iterator[tuple[str, float, float]]:
    """(name, seconds alone, seconds in place) of each direction; dX and dW only where the run shows them apart."""
    wanted = [name for name in ("dx", "dw") if name in part.wanted]
    apart = len(wanted) == 2 and _mean(shown, part, "dx") is not None
    times = [("forward", alone.forward, _mean(shown, part, "forward"))]
    if apart:
        times += [(_NAMES[name], getattr(alone, name), _mean(shown, part, name)) for name in wanted]
    elif wanted:
        name = _NAMES[wanted[0]] if len(wanted) == 1 else "backward"
        times.append((name, alone.backward, _mean(shown, part, "backward")))
    for name, alone_s, in_place_s in times:
        if alone_s > 0 and in_place_s:
            yield name, alone_s, in_place_s


def _mean(shown: InPlace, part: Part, direction: str) -> float | None:
    """Seconds of a part's call in place; None if some call of it does not show them."""
    seconds = [shown.seconds.get(str(number), {}).get(direction, 0.0) for number in part.calls]
    return statistics.fmean(seconds) if seconds and min(seconds) > 0 else None


def _sentences(
    rows: Sequence[Compared], shown: InPlace, seconds: Mapping[str, float], explained: Mapping[str, float]
) -> Iterator[str]:
    """What is said below the table, or instead of it."""
    if not shown.seconds:
        yield f"nothing in place: {shown.reason or 'the profiler saw no op'}"
        return
    again, ahead = (
        sum(times.get(direction, 0.0) for times in shown.seconds.values()) / seconds[name]
        for direction, name in (("again", "backward"), ("ahead", "forward"))
    )
    yield (
        f"in place, under a profiler, the ops add up to {explained['forward']:.0%} of forward "
        f"and {explained['backward']:.0%} of backward"
    )
    for name, share in explained.items():
        if share > DIFFERS:
            yield f"the profiler slows the ops of {name}, or they run at the same time: no difference of them is shown"
    if again:
        yield f"moved work: forward passes that are computed again take {again:.1%} of backward"
    if ahead:
        yield f"moved work: gradients that are computed ahead take {ahead:.1%} of forward"
    if any(row.differs for row in rows):
        yield DIFFERENCE
