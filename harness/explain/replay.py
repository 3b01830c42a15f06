"""Measures a workload and each of its parts alone: one variant, in workers that keep all programs.

Where ops are called one by one on a CPU, each part is timed in turn with all others (`measure_in_turn`): as in a run
of the whole, its arrays were last used a pass ago, and its results go where others lay before. Where an execution
compiles, what one op hands to the next mostly stays where it is; there a part is timed again and again, in a time that
its share of the whole sets. The whole is measured before and after its parts, or between them.

A part is timed in the phases `forward` and `backward`, and where the workload wants gradients of data and of weights,
in the pairs of each side as well. Nothing is verified here: the variant's record says that its whole program agrees
with the oracle, and tests say so of each op.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from ..measure import stats
from ..measure.clock import Samples
from ..measure.launch import Conditions, Launch
from ..measure.protocol import Failure, InPlace, WarmUp
from ..measure.stats import PAIRS_PER_STRETCH, Estimate
from .bench import PAIR, Bench, Source
from .calls import TINY
from .parts import Part

PARTS_S, WHOLE_S, TINY_S = 6.0, 1.5, 0.2  # seconds of measuring: all parts, (twice) the whole, and each of `TINY`
FEWEST = 2 * PAIRS_PER_STRETCH  # cycles without which an estimate has no error
CYCLES_IN_TURN, MOST_IN_TURN_S = 4, 60.0  # cycles between two visits to the whole, and when they end without `FEWEST`
PROFILED_S, FEWEST_PASSES, MOST_PASSES = 1.5, 3, 10  # of the whole under a profiler

Key = Part | str  # a part, one of `TINY`, or WHOLE
WHOLE = "the whole"


@dataclass(frozen=True)
class Timed:
    """Logarithms of the seconds of a part's passes; dX and dW are None where they are not wanted."""

    forward: Estimate
    backward: Estimate | None
    dx: Estimate | None = None
    dw: Estimate | None = None


@dataclass
class Replay:
    """What was measured of a variant: its whole program, its parts, and calls that compute nothing (`TINY`, by name).

    `failures` has the reason, in a sentence, why a part could not be measured. `in_place` has each call's time within
    the whole, from runs of their own.
    """

    forward: Estimate
    backward: Estimate
    ratio: Estimate
    tiny: dict[str, Timed] = field(default_factory=dict)
    timed: dict[Part, Timed] = field(default_factory=dict)
    failures: dict[Part, str] = field(default_factory=dict)
    in_place: InPlace = field(default_factory=InPlace)

    def tiny_seconds(self, phase: str) -> dict[str, float]:
        """The seconds that each of `TINY` takes in the pass of that name."""
        return {name: math.exp(getattr(timed, phase).centre) for name, timed in self.tiny.items()}

    def estimates(self) -> Iterator[Estimate]:
        """Every estimate there is."""
        yield from (self.forward, self.backward, self.ratio)
        for timed in (*self.tiny.values(), *self.timed.values()):
            passes = (timed.forward, timed.backward, timed.dx, timed.dw)
            yield from (estimate for estimate in passes if estimate is not None)


def replay(
    launch: Launch, conditions: Conditions, whole: Path, folders: Mapping[Part, Path], tiny: Mapping[str, Path]
) -> Replay:
    """Measure a variant's whole workload and its parts, each saved in a folder. Raises Failure if the whole fails."""
    with Bench[Key](launch, conditions) as bench:
        sources: dict[Key, Source] = {WHOLE: Source(whole, None, PAIR)}
        sources |= {part: Source(folder, part.workload.graph) for part, folder in folders.items()}
        sources |= {name: Source(folder, TINY[name].graph, PAIR) for name, folder in tiny.items()}
        bench.load(sources)
        for name in (WHOLE, *tiny):
            bench.require(name)
        pairs = {name: _of_pair(bench.time(name, bench.warm(name), TINY_S)) for name in tiny}
        parts = [part for part in folders if part not in bench.failures]
        samples, timed = (in_turn if bench.takes_turns else again_and_again)(bench, parts)
        pair = _of_pair(samples)
        assert pair.backward is not None
        shown = bench.in_place(WHOLE, profiled_passes(math.exp(pair.forward.centre) + math.exp(pair.backward.centre)))
        failures = {part: bench.failures[part].reason for part in folders if part in bench.failures}
    ratio = stats.within(stats.log_ratio(samples.seconds["backward"], samples.seconds["forward"]))
    return Replay(pair.forward, pair.backward, ratio, pairs, timed, failures, shown)


def in_turn(bench: Bench[Key], parts: Sequence[Part]) -> tuple[Samples, dict[Part, Timed]]:
    """Time all parts in turn, and the whole between their cycles. Raises Failure.

    Returns the whole's times, and those of the parts.
    """
    whole, of_parts = Samples(), {part: Samples() for part in parts}
    warm = bench.warm(WHOLE)
    if parts:
        bench.in_turn(parts, 1)
    start, cycles = monotonic(), 0
    while (spent_s := monotonic() - start) < PARTS_S + 2 * WHOLE_S or (cycles < FEWEST and spent_s < MOST_IN_TURN_S):
        whole.extend(bench.time(WHOLE, warm, CYCLES_IN_TURN * warm.cycle_s))
        if parts:
            for part, samples in bench.in_turn(parts, CYCLES_IN_TURN).items():
                assert isinstance(part, Part)
                of_parts[part].extend(samples)
        cycles += CYCLES_IN_TURN
    return whole, {part: _of_part(part, samples) for part, samples in of_parts.items()}


def again_and_again(bench: Bench[Key], parts: Sequence[Part]) -> tuple[Samples, dict[Part, Timed]]:
    """Time each part alone, and the whole before and after them. Raises Failure if the whole fails.

    Returns the whole's times, and those of the parts; the bench has the reasons why some could not be measured.
    """
    warm = bench.warm(WHOLE)
    whole = bench.time(WHOLE, warm, WHOLE_S)
    warmed: dict[Part, WarmUp] = {}
    timed: dict[Part, Timed] = {}
    for part in parts:
        if state := _unless_it_fails(bench, part):
            warmed[part] = state
    every_s = sum(part.count * _pair_s(state) for part, state in warmed.items())
    for part, state in warmed.items():
        budget_s = max((FEWEST + 1) * state.cycle_s, PARTS_S * part.count * _pair_s(state) / every_s)
        try:
            samples = bench.time(part, state, budget_s, settled=lambda samples: len(samples.wall) >= FEWEST)
        except Failure:
            continue
        timed[part] = _of_part(part, samples)
    whole.extend(bench.time(WHOLE, warm, WHOLE_S))
    return whole, timed


def _unless_it_fails(bench: Bench[Key], part: Part) -> WarmUp | None:
    try:
        return bench.warm(part)
    except Failure:
        return None


def _pair_s(state: WarmUp) -> float:
    return state.seconds["forward"] + state.seconds["backward"]


def profiled_passes(pass_s: float) -> int:
    """How often to run a workload under a profiler that takes `pass_s` forward and backward."""
    return max(FEWEST_PASSES, min(MOST_PASSES, round(PROFILED_S / pass_s)))


def _of_pair(samples: Samples) -> Timed:
    return Timed(_log_seconds(samples.seconds["forward"]), _log_seconds(samples.seconds["backward"]))


def _of_part(part: Part, samples: Samples) -> Timed:
    """The passes that the workload wants of a part."""
    forward, seconds = _log_seconds(samples.seconds["forward"]), samples.seconds
    if part.wanted == ("forward",):
        return Timed(forward, None)
    backward = _log_seconds(seconds["backward"])
    if part.wanted == ("forward", "dx", "dw"):
        return Timed(
            forward, backward, _log_seconds(seconds["backward_inputs"]), _log_seconds(seconds["backward_params"])
        )
    return Timed(forward, backward, **{part.wanted[1]: backward})


def _log_seconds(seconds: Sequence[float]) -> Estimate:
    return stats.within(stats.log_times(seconds))
