"""One line: both sides in this process, held to be the same work, then timed in pairs, phase by phase."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from adapters.base import AFTER
from harness.workload.trace import Graph

from .pairs import AGAIN, FEWEST, Call, Pairs, Prepare, interleaved, ratio, verdict
from .side import Side, differs, more_parameters

WARM_UP = 2

Result = dict[str, Any]


def compare(
    framework: str, graph: Graph, program: Any, theirs: Side, wait: Callable[[Any], None], seconds: float
) -> Iterator[Result]:
    """A result for each phase that both have. AssertionError, in a sentence, where they are not the same work."""
    ours = program.gradient()
    exported = ours[0], program.export(ours[1])
    known = more_parameters(framework, graph)
    if why := differs(graph, exported, theirs.phases["gradient"](), theirs.carried, known):
        raise AssertionError(f"not the same work: {why}")
    for phase in (name for name in program.phases if name in theirs.phases):
        phases = {name: getattr(program, name) for name in program.phases}
        sides = _prepare(phases, phase, wait), _prepare(theirs.phases, phase, wait)
        for _ in range(WARM_UP):
            for prepare in sides:
                prepare()()
        result = _result(interleaved(*sides, seconds, FEWEST))
        if not result["good"]:
            result = _result(interleaved(*sides, AGAIN * seconds, AGAIN * FEWEST)) | {"again": True}
        yield {"phase": phase, "library": theirs.package, "parameters": known} | result


def _prepare(phases: Mapping[str, Callable[..., Any]], phase: str, wait: Callable[[Any], None]) -> Prepare:
    """A call of the phase until all is computed, after the one that it needs."""

    def prepare() -> Call:
        given = [phases[AFTER[phase]]()] if phase in AFTER else []
        wait(given)
        return lambda: wait(phases[phase](*given))

    return prepare


def _result(pairs: Pairs) -> Result:
    wall, cpu = ratio(pairs.wall), ratio(pairs.cpu)
    good, word = verdict(wall, cpu, pairs.seconds)
    numbers = {"centre": wall.centre, "low": wall.low, "high": wall.high, "cpu": cpu.centre}
    ours, theirs = pairs.seconds
    return numbers | {"pairs": len(pairs.wall), "ours_s": ours, "theirs_s": theirs, "good": good, "verdict": word}
