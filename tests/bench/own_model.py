"""What a model of one's own takes as `model=own`, over a loop written by hand: `transformers` GPT-2 in torch eager.

`python -m tests.bench.own_model`: both in one process of one thread, of the same module and batch, in turn. Ours is
called by the clock that a worker has; theirs is what a training loop does, with its time taken around each line.
"""

from __future__ import annotations

import gc
import math
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from adapters.base import PHASES
from adapters.common.own_model import OwnModel
from adapters.torch import Adapter
from adapters.torch.own import BuiltModel, Own, rebuild_model
from harness.measure import stats
from harness.measure.clock import measure
from harness.workload.own import OwnWorkload, write_own
from harness.workload.own_truth import write_truth

FACTORY = "tests.examples.gpt2:build"
LEAST_ROUNDS, MOST_S = 200, 240.0  # ends once each phase is told from the figure, or by then
MOST = 1.02


class ByHand:
    """The lines of a training loop, without a harness."""

    def __init__(self, built_model: BuiltModel) -> None:
        self._model, self._ids = built_model.parameters, built_model.batch

    def cycle(self) -> dict[str, float]:
        """Seconds of each phase."""
        seconds: dict[str, float] = {}

        def timed(phase: str, call: Callable[[], Any]) -> Any:
            start = perf_counter()
            result = call()
            seconds[phase] = perf_counter() - start
            return result

        timed("inference", self._inference)
        losses = [timed("forward", self._loss)]
        timed("backward", lambda: losses.pop().backward())  # and lets go of the graph, as a loop's next forward does
        self._model.zero_grad()
        timed("gradient", lambda: self._loss().backward())
        self._model.zero_grad()
        return seconds

    def _loss(self) -> Any:
        return self._model(input_ids=self._ids, labels=self._ids).loss

    def _inference(self) -> Any:
        with torch.no_grad():
            return self._loss()


def ratios(least_rounds: int, most_s: float, **arguments: int) -> tuple[int, dict[str, stats.Interval]]:
    """How many pairs were timed, and our time over theirs by phase, with a 95 % interval within this process."""
    adapter = Adapter("cpu", 1, "fp32")
    workload = OwnWorkload.of({"torch": FACTORY, "arguments": arguments})
    with tempfile.TemporaryDirectory(prefix="twofold-") as folder:
        model = OwnModel(workload, "torch", Path(folder))
        write_own(workload, model.folder)
        write_truth(model.folder, "torch", adapter.own_truth(model))
        built_model = rebuild_model(model, torch.device("cpu"))
    ours, theirs = Own(built_model), ByHand(built_model)

    def ours_first() -> tuple[dict[str, float], dict[str, float]]:
        mine = {phase: seconds[0] for phase, seconds in measure(adapter, ours, 1, 1).seconds.items()}
        return mine, theirs.cycle()

    def theirs_first() -> tuple[dict[str, float], dict[str, float]]:
        by_hand = theirs.cycle()
        return {phase: seconds[0] for phase, seconds in measure(adapter, ours, 1, 1).seconds.items()}, by_hand

    for _ in range(10):  # to warm up
        ours_first()
    logarithms: dict[str, list[float]] = {phase: [] for phase in PHASES}
    rounds, end = 0, perf_counter() + most_s
    gc.disable()
    while True:
        for _ in range(least_rounds):
            mine, by_hand = (ours_first if rounds % 2 else theirs_first)()
            for phase, noted in logarithms.items():
                noted.append(math.log(mine[phase] / by_hand[phase]))
            rounds += 1
        gc.collect()
        found = {phase: stats.within(noted).interval(0.95, "one process") for phase, noted in logarithms.items()}
        if all(ratio.high <= MOST or ratio.low > MOST for ratio in found.values()) or perf_counter() > end:
            gc.enable()
            return rounds, found


def main() -> int:
    """Print the ratio of each phase; 1 if one surely takes more than MOST of the time that it takes by hand."""
    rounds, found = ratios(LEAST_ROUNDS, MOST_S)
    print(f"{FACTORY} as model=own, over a loop written by hand: {rounds} pairs a phase, 95 % intervals")
    for phase, ratio in found.items():
        said = "more than" if ratio.low > MOST else "at most" if ratio.high <= MOST else "not told from"
        print(f"  {phase}: {ratio.centre:.3f} ({ratio.low:.3f} to {ratio.high:.3f}), {said} {MOST}")
    return int(any(ratio.low > MOST for ratio in found.values()))


if __name__ == "__main__":
    sys.exit(main())
