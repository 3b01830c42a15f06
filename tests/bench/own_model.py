"""What a model of one's own takes as `model=own`, over a loop written by hand: `transformers` GPT-2 in torch eager.

`python -m tests.bench.own_model`: both in one process of one thread, of the same module and batch, in turn. Ours is
called by the clock that a worker has; theirs is what a training loop does, with its time taken around each line.
"""

from __future__ import annotations

import gc
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
from adapters.torch.own import Own, Parts, same_parts
from harness.measure import stats
from harness.measure.clock import measure
from harness.workload.own import OwnWorkload, write_own
from harness.workload.own_truth import write_truth

FACTORY = "tests.examples.gpt2:build"
ROUNDS = 300
MOST = 1.02


class ByHand:
    """The lines of a training loop, without a harness."""

    def __init__(self, parts: Parts) -> None:
        self._model, self._ids = parts.parameters, parts.batch

    def cycle(self) -> dict[str, float]:
        """Seconds of each phase."""
        seconds: dict[str, float] = {}

        def timed(phase: str, call: Callable[[], Any]) -> Any:
            start = perf_counter()
            result = call()
            seconds[phase] = perf_counter() - start
            return result

        timed("inference", self._inference)
        loss = timed("forward", self._loss)
        timed("backward", loss.backward)
        self._model.zero_grad()
        timed("gradient", lambda: self._loss().backward())
        self._model.zero_grad()
        return seconds

    def _loss(self) -> Any:
        return self._model(input_ids=self._ids, labels=self._ids).loss

    def _inference(self) -> Any:
        with torch.no_grad():
            return self._loss()


def ratios(rounds: int, **arguments: int) -> dict[str, stats.Interval]:
    """Our time over theirs, by phase, with a 95 % interval within this process."""
    adapter = Adapter("cpu", 1, "fp32")
    workload = OwnWorkload.of({"torch": FACTORY, "arguments": arguments})
    with tempfile.TemporaryDirectory(prefix="twofold-") as folder:
        model = OwnModel(workload, "torch", Path(folder))
        write_own(workload, model.folder)
        write_truth(model.folder, "torch", adapter.own_truth(model))
        parts = same_parts(model, torch.device("cpu"))
    ours, theirs = Own(parts), ByHand(parts)
    logarithms: dict[str, list[float]] = {phase: [] for phase in PHASES}
    gc.disable()
    for number in range(-rounds // 10, rounds):  # the first ones warm up
        seconds: dict[str, dict[str, float]] = {}
        for side in ("ours", "theirs") if number % 2 else ("theirs", "ours"):
            if side == "ours":
                seconds[side] = {phase: s[0] for phase, s in measure(adapter, ours, 1, 1).seconds.items()}
            else:
                seconds[side] = theirs.cycle()
        gc.collect(0)
        for phase, noted in logarithms.items():
            if number >= 0:
                noted.append(float(stats.log_ratio([seconds["ours"][phase]], [seconds["theirs"][phase]])[0]))
    gc.enable()
    return {phase: stats.within(noted).interval(0.95, "one process") for phase, noted in logarithms.items()}


def main() -> int:
    """Print the ratio of each phase; 1 if one takes more than MOST of the time that it takes by hand."""
    found = ratios(ROUNDS)
    print(f"{FACTORY} as model=own, over a loop written by hand: {ROUNDS} pairs a phase, 95 % intervals")
    for phase, ratio in found.items():
        print(f"  {phase}: {ratio.centre:.3f} ({ratio.low:.3f} to {ratio.high:.3f}), at most {MOST}")
    return int(any(ratio.centre > MOST for ratio in found.values()))


if __name__ == "__main__":
    sys.exit(main())
