"""What a framework's programs must execute: the trace's multiplies, changed by the framework's departures from it.

A departure is no excuse: it computes from shapes how many multiplies and FLOPs the framework's own form of an op takes
instead of those asked for, and what is executed must be exactly what all of them come to. Only where a compiler is
free to keep a result or to compute it again, there is a range: from recomputing nothing to recomputing all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from .cost import CallWork, again, call_work, of_sides, work_of_phases
from .ops import CATALOGUE, Product, Work
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
    change: Callable[[Graph, Call, CallWork], CallWork]


@dataclass(frozen=True)
class Departures:
    """How one execution departs from what is asked, under certain choices.

    All but `calls` hold the sentence that says so; empty where it is not the case.

    Attributes:
        calls: the departures of single calls.
        whole: a checkpointed part is run again to its end, not only as far as backward needs it.
        in_order: a checkpointed part is run again from its start to the last result that backward needs.
        merges: a program of forward and backward together recomputes nothing.
        may_merge: a program of forward and backward together may recompute less than asked.
        may_keep: backward alone may recompute less than asked too; the program marks what it recomputes.
        may_join: multiplies that share a factor may be joined into fewer, larger ones with the same FLOPs.
    """

    calls: tuple[Departure, ...] = ()
    whole: str = ""
    in_order: str = ""
    merges: str = ""
    may_merge: str = ""
    may_keep: str = ""
    may_join: str = ""


@dataclass(frozen=True)
class Expected:
    """What a phase executes at least and at most, both the same where it is known, and why it is not what was asked.

    `joins` is how many multiplies may be part of another one, which does not change the FLOPs.
    """

    least: Counts
    most: Counts
    says: str = ""
    joins: int = 0

    def failure(self, phase: str, executed: Counts, recomputed: Counts | None = None) -> str | None:
        """Say in one sentence what is wrong with what was executed; None if nothing is.

        `recomputed` counts what the program itself marks as recomputed, if it does.
        """
        within = (
            self.least[0] - self.joins <= executed[0] <= self.most[0] and self.least[1] <= executed[1] <= self.most[1]
        )
        if self.least == self.most:
            wanted = _said(self.least) + (f", of which {self.joins} may be joined to others" if self.joins else "")
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
        made = call_work(graph, call)
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
    asked = {call.outputs for call in again(graph, residuals, autodiff)}
    if departures.in_order and any(
        call_work(graph, c).again.matmuls for c in graph.calls if c.outputs in repeated - asked
    ):
        says["again"][departures.in_order] = None
    with_all, with_none = work_of_phases(calls, recomputed), work_of_phases(calls, [])
    once, twice = _joinable(graph, graph.calls), _joinable(graph, [c for c in graph.calls if c.outputs in repeated])
    joinable = {"forward": once, "backward": once, "tangent": 3 * once, "again": twice}
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
        joins = sum(joinable[name] for name in passes) if departures.may_join else 0
        if joins:
            reasons[departures.may_join] = None
        found[phase] = Expected(_counts(least), _counts(most), " ".join(reasons), joins)
    return found | of_sides(graph, lambda side: expected(side, departures, residuals, autodiff))


def _repeated(graph: Graph, departures: Departures, residuals: str, autodiff: str) -> Sequence[Call]:
    """The calls that backward computes once more, as this execution does it."""
    asked = again(graph, residuals, autodiff)
    if not ((departures.whole or departures.in_order) and asked):
        return asked
    recomputed = (s.calls for s in segments(graph, residuals) if s.recomputed)
    wanting = (calls for calls in recomputed if any(graph.needs_gradient.intersection(c.outputs) for c in calls))
    if departures.whole:
        return [call for calls in wanting for call in calls]
    needed = {call.outputs for call in asked}
    return [call for calls in wanting for call in calls[: _past_the_last(calls, needed)]]


def _past_the_last(calls: Sequence[Call], needed: Collection[tuple[int, ...]]) -> int:
    """The index behind the last of some calls whose outputs are needed; 0 where none are."""
    return max((i for i, call in enumerate(calls, start=1) if call.outputs in needed), default=0)


def _joinable(graph: Graph, calls: Sequence[Call]) -> int:
    """How many calls multiply by the same factor as an earlier one; so do their dW, by the same transposed factor."""
    factors = [call.inputs[0] for call in calls if len(_products(graph, call)) == 1]
    return len(factors) - len(set(factors))


def _products(graph: Graph, call: Call) -> Sequence[Product]:
    inputs, outputs = (tuple(graph.specs[number] for number in numbers) for numbers in (call.inputs, call.outputs))
    return CATALOGUE[call.op].products(inputs, outputs, **call.attrs)


def _counts(work: Work) -> Counts:
    return work.matmuls, work.flops


def _said(counts: Counts) -> str:
    return f"{counts[0]} multiplies of {counts[1]:,} FLOPs"
