"""What a framework's programs must execute: the trace's multiplies, changed by the framework's departures from it.

A departure is no excuse: it computes from shapes how many multiplies and FLOPs the framework's own form of an op takes
instead of those asked for, and what is executed must be exactly what all of them come to. Only where a compiler is
free to keep a result or to compute it again, there is a range: from recomputing nothing to recomputing all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .cost import Parts, again, of_sides, parts, work_of_phases
from .ops import Work
from .rematerialise import segments
from .trace import Call, Graph

Counts = tuple[int, int]  # multiplies, and their FLOPs

_PASSES: dict[str, tuple[str, ...]] = {
    "inference": ("forward",),
    "forward": ("forward",),
    "backward": ("backward", "again"),
    "gradient": ("forward", "backward", "again"),
    "update": (),
    "tangent": ("tangent",),
}


@dataclass(frozen=True)
class Departure:
    """How a framework computes some calls otherwise than asked, and one sentence that says so."""

    says: str
    change: Callable[[Graph, Call, Parts], Parts]


@dataclass(frozen=True)
class Departures:
    """How one execution departs from what is asked, under certain choices; each sentence is empty where it does not.

    `whole`: a checkpointed part runs again to its end, not only as far as backward needs it. `merges`: a program of
    forward and backward together recomputes nothing. `may_merge`: it may be so, in part. `may_keep`: backward alone
    may recompute less as well, and the program itself marks what it recomputes.
    """

    calls: tuple[Departure, ...] = ()
    whole: str = ""
    merges: str = ""
    may_merge: str = ""
    may_keep: str = ""


@dataclass(frozen=True)
class Expected:
    """What a phase executes at least and at most, both the same where it is known, and why it is not what was asked."""

    least: Counts
    most: Counts
    says: str = ""

    def failure(self, phase: str, executed: Counts, recomputed: Counts | None = None) -> str | None:
        """One sentence if something else is executed. `recomputed` is what the program itself marks so, if it does."""
        within = all(low <= n <= high for low, n, high in zip(self.least, executed, self.most, strict=True))
        if self.least == self.most:
            wanted = _said(self.least)
        elif recomputed is None:
            wanted = f"at least {_said(self.least)} and at most {_said(self.most)}"
        else:
            wanted = f"{_said(self.least)} beside those recomputed, which are {_said(recomputed)}"
            within = within and self.least == tuple(n - r for n, r in zip(executed, recomputed, strict=True))
        return None if within else f"{phase} executes {_said(executed)}; expected: {wanted}"


def expected(
    graph: Graph, departures: Departures, residuals: str = "store", autodiff: str = "reverse"
) -> dict[str, Expected]:
    """What each phase must execute, by name."""
    repeated = {call.outputs for call in _repeated(graph, departures, residuals, autodiff)}
    says: dict[str, dict[str, None]] = {name: {} for name in ("forward", "backward", "tangent", "again")}
    calls, recomputed = [], []
    for call in graph.calls:
        made = parts(graph, call)
        for departure in departures.calls:
            before, made = made, departure.change(graph, call, made)
            for name, sentences in says.items():
                runs = name != "again" or call.outputs in repeated
                if runs and _counts(getattr(before, name)) != _counts(getattr(made, name)):
                    sentences[departure.says] = None
        calls.append(made)
        if call.outputs in repeated:
            recomputed.append(made)
    if departures.whole and repeated:
        says["again"][departures.whole] = None
    with_all, with_none = work_of_phases(calls, recomputed), work_of_phases(calls, [])
    found = {}
    for phase, passes in _PASSES.items():
        least, most = with_all[phase], with_all[phase]
        reasons = {sentence: None for name in passes for sentence in says[name]}
        if "again" in passes and recomputed:
            if phase == "gradient" and departures.merges:
                least, most = with_none[phase], with_none[phase]
                reasons[departures.merges] = None
            elif (phase == "gradient" and departures.may_merge) or departures.may_keep:
                least = with_none[phase]
                reasons[departures.may_merge or departures.may_keep] = None
        found[phase] = Expected(_counts(least), _counts(most), " ".join(reasons))
    return found | of_sides(graph, lambda side: expected(side, departures, residuals, autodiff))


def _repeated(graph: Graph, departures: Departures, residuals: str, autodiff: str) -> Sequence[Call]:
    """The calls that backward computes once more, as this execution does it."""
    asked = again(graph, residuals, autodiff)
    if not (departures.whole and asked):
        return asked
    recomputed = (s.calls for s in segments(graph, residuals) if s.recomputed)
    wanting = (calls for calls in recomputed if any(graph.needs_gradient.intersection(c.outputs) for c in calls))
    return [call for calls in wanting for call in calls]


def _counts(work: Work) -> Counts:
    return work.matmuls, work.flops


def _said(counts: Counts) -> str:
    return f"{counts[0]} multiplies of {counts[1]:,} FLOPs"
