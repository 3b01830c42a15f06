"""Measures a workload and each of its parts alone: one variant, in one worker, one program after the other.

A part is timed in the phases `forward` and `backward`, and where the workload wants gradients of data and of weights,
in the pairs of each side as well. Nothing is verified here: the variant's record says that its whole program agrees
with the oracle, and tests say so of each op. The whole is measured before and after its parts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ..measure import stats
from ..measure.clock import Samples
from ..measure.protocol import Failure, InPlace
from ..measure.rounds import Run, run_rounds
from ..measure.stats import Estimate
from ..measure.trial import Conditions, Launch, environment
from ..measure.worker import Worker
from ..workload.trace import Graph
from ..workload.workload import Workload
from .parts import Part, applicable

WARM_S = 0.15  # limit of a part's warm-up
PART_S, WHOLE_S = 0.4, 1.5  # seconds of measuring, of a part and (twice) of the whole
PROFILED_S, FEWEST_PASSES, MOST_PASSES = 1.5, 3, 10  # of the whole under a profiler
TARGET = 0.02  # half-width of the interval of backward / forward at which a part is measured enough
MOST_BUDGETS = 6
PHASES = ("forward", "backward", "forward_inputs", "backward_inputs", "forward_params", "backward_params")

# A chain of layers so small that nothing but calls takes time, by its depth: two points of a line.
CHAINS = {depth: Workload.of("mlp", {"batch": 1, "depth": depth, "width": 1}) for depth in (2, 18)}


@dataclass(frozen=True)
class Timed:
    """Logarithms of the seconds of a part's passes; dX and dW are None where they are not wanted."""

    forward: Estimate
    backward: Estimate | None
    dx: Estimate | None = None
    dw: Estimate | None = None


@dataclass
class Replay:
    """What was measured of a variant: its whole program, its parts, and chains of calls that compute nothing.

    `failures` has the reason, in a sentence, why a part could not be measured. `in_place` has each call's time within
    the whole, from runs of their own.
    """

    forward: Estimate
    backward: Estimate
    ratio: Estimate
    chains: dict[int, Timed] = field(default_factory=dict)
    timed: dict[Part, Timed] = field(default_factory=dict)
    failures: dict[Part, str] = field(default_factory=dict)
    in_place: InPlace = field(default_factory=InPlace)

    def chain_seconds(self, name: str) -> dict[int, float]:
        """The seconds that each chain takes in the pass of that name, by its depth."""
        return {depth: math.exp(getattr(chain, name).centre) for depth, chain in self.chains.items()}

    def estimates(self) -> Iterator[Estimate]:
        """Every estimate there is."""
        yield from (self.forward, self.backward, self.ratio)
        for timed in (*self.chains.values(), *self.timed.values()):
            passes = (timed.forward, timed.backward, timed.dx, timed.dw)
            yield from (estimate for estimate in passes if estimate is not None)


def replay(
    launch: Launch, conditions: Conditions, whole: Path, folders: Mapping[Part, Path], chains: Mapping[int, Path]
) -> Replay:
    """Measure a variant's whole workload and its parts, each saved in a folder. Raises Failure if the whole fails."""
    with Replayer(launch, conditions) as replayer:
        samples = replayer.time(whole, WHOLE_S)
        tiny = {depth: _of_pair(replayer.time(folder, PART_S, CHAINS[depth].graph)) for depth, folder in chains.items()}
        timed, failures = {}, {}
        for part, folder in folders.items():
            try:
                timed[part] = _of_part(part, replayer.time(folder, PART_S, part.workload.graph))
            except Failure as failure:
                failures[part] = failure.reason
        samples.extend(replayer.time(whole, WHOLE_S))
        pair = _of_pair(samples)
        assert pair.backward is not None
        shown = replayer.in_place(math.exp(pair.forward.centre) + math.exp(pair.backward.centre))
    ratio = stats.within(stats.log_ratio(samples.seconds["backward"], samples.seconds["forward"]))
    return Replay(pair.forward, pair.backward, ratio, tiny, timed, failures, shown)


class Replayer:
    """A variant's worker, as a context; a new process takes the place of one that has failed."""

    def __init__(self, launch: Launch, conditions: Conditions) -> None:
        self._launch = launch
        self._conditions = conditions
        self._stack = ExitStack()
        self._worker: Worker | None = None

    def __enter__(self) -> Replayer:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def time(
        self,
        folder: Path,
        budget_s: float,
        graph: Graph | None = None,
        settled: Callable[[Samples], bool] = lambda samples: True,
    ) -> Samples:
        """Load the workload saved in a folder, warm up, and time its phases. Raises Failure.

        With `graph`, which is the workload's, choices that do not concern it are left out. What has not settled is
        given the same budget again, `MOST_BUDGETS` times at most.
        """
        deadline_s = self._conditions.measure.deadline_s
        choices = self._launch.choices if graph is None else applicable(self._launch.choices, graph)
        try:
            if self._worker is None:
                self._worker = self._stack.enter_context(opened(self._launch, self._conditions))
            worker = self._worker
            worker.load(deadline_s, folder, self._launch.execution, choices, PHASES)
            warm = worker.warm(deadline_s, WARM_S)
            run = Run(worker, warm.repeat, warm.cycle_s)
            for _ in range(MOST_BUDGETS):
                run_rounds({"": run}, target=TARGET, budget_s=budget_s, deadline_s=deadline_s, finished=_nothing)
                if run.failure:
                    raise run.failure
                if settled(run.samples):
                    break
        except Failure:
            self._worker = None
            raise
        return run.samples

    def in_place(self, pass_s: float) -> InPlace:
        """Each call's time within the workload that was timed last, which takes `pass_s` forward and backward.

        A profiler that fails is the reason for no times, and no failure.
        """
        assert self._worker is not None
        try:
            return self._worker.in_place(self._conditions.measure.deadline_s, profiled_passes(pass_s))
        except Failure as failure:
            self._worker = None
            return InPlace(reason=failure.reason)


@contextmanager
def opened(launch: Launch, conditions: Conditions) -> Iterator[Worker]:
    """A variant's worker that has imported its framework. Raises Failure."""
    settings = environment(launch, conditions)
    with Worker(launch.interpreter, conditions.cpus, launch.log, settings) as worker:
        worker.open(
            conditions.measure.deadline_s,
            framework=launch.framework,
            device=conditions.device.name,
            threads=len(conditions.cpus),
            precision=conditions.precision,
        )
        yield worker


def profiled_passes(pass_s: float) -> int:
    """How often to run a workload under a profiler that takes `pass_s` forward and backward."""
    return max(FEWEST_PASSES, min(MOST_PASSES, round(PROFILED_S / pass_s)))


def _nothing(*_: object) -> None:
    """Ignore that a run has finished: there is only one."""


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
