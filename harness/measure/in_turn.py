"""Times several programs in turn, inside the worker: each finds the caches, and the allocator, as the others left them.

A cycle is what a training step makes of its ops: the forward pass of each program, one after the other, and then the
backward passes in the opposite order, so that as much memory is touched between two uses of an array as the programs
touch together. Nothing is repeated within a timing: a second call would find what the first has left in the caches.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from time import perf_counter
from typing import Any

from adapters.base import Adapter, Program

from .clock import groups

Seconds = dict[str, list[float]]  # of each cycle, by phase


def measure_in_turn(adapter: Adapter, programs: Sequence[Program], cycles: int) -> list[Seconds]:
    """Time cycles of all phases that the programs have. Returns the times of each program.

    All cycles of one pair come before those of the next: with the others in between, arrays would lie unused for longer
    than in a run of the whole.
    """
    seconds: list[Seconds] = [{phase: [] for phase in program.phases} for program in programs]
    steps = groups(list(dict.fromkeys(phase for program in programs for phase in program.phases)))

    def timed(number: int, phase: str, *given: Any) -> Any:
        call = getattr(programs[number], phase)
        start = perf_counter()
        result = call(*given)
        adapter.wait(result)
        seconds[number][phase].append(perf_counter() - start)
        return result

    collecting = gc.isenabled()
    gc.disable()
    try:
        for first, *following in steps:
            having = [number for number, program in enumerate(programs) if first in program.phases]
            for _ in range(cycles):
                results = {number: timed(number, first) for number in having}
                for phase in following:
                    for number in reversed(having):
                        timed(number, phase, results.pop(number))
    finally:
        if collecting:
            gc.enable()
    return seconds
