"""The programs of one variant, each loaded and kept in one of its workers, to be timed alone or in turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Self, TypeVar

from ..measure.clock import Samples
from ..measure.launch import Conditions, Launch, environment
from ..measure.protocol import Failure, InPlace, WarmUp
from ..measure.rounds import Run, run_rounds
from ..measure.worker import Worker
from ..workload.trace import Graph
from .parts import applicable

PAIR = ("forward", "backward")
PHASES = (*PAIR, "forward_inputs", "backward_inputs", "forward_params", "backward_params")
OP_BY_OP = ("eager", "by_hand")  # executions in which each op is a call of its own, also within the whole

WARM_S = 0.15  # limit of a program's warm-up
TARGET = 0.02  # half-width of the interval of backward / forward at which a program is measured enough
MOST_BUDGETS = 6
COMPILING = 2  # workers that load the programs of a compiled execution beside each other, while nothing is timed

Key = TypeVar("Key", bound=Hashable)
T = TypeVar("T")


@dataclass(frozen=True)
class Source:
    """Where a program's workload is saved, and its graph: None for a whole workload, which gets all choices."""

    folder: Path
    graph: Graph | None
    phases: Sequence[str] = PHASES


@dataclass
class _Slot(Generic[Key]):
    """A worker, and the numbers of the programs that it keeps; none after it has failed."""

    worker: Worker | None = None
    numbers: dict[Key, int] = field(default_factory=dict)


class Bench(Generic[Key]):
    """A variant's workers with its programs, as a context. `failures` has the reason why a program is not there.

    Where an execution compiles, programs are loaded by several workers at a time. Otherwise there is one, as programs
    that are timed in turn share its caches and its allocator. `takes_turns` tells whether they are to be timed so: not
    on a GPU, which would wait for the host after every call.
    """

    def __init__(self, launch: Launch, conditions: Conditions) -> None:
        self.failures: dict[Key, Failure] = {}
        self._launch = launch
        self._conditions = conditions
        self._deadline_s = conditions.measure.deadline_s
        self.takes_turns = launch.execution in OP_BY_OP and conditions.device.name == "cpu"
        count = 1 if launch.execution in OP_BY_OP else COMPILING
        self._slots = [_Slot[Key]() for _ in range(count)]
        self._sources: dict[Key, Source] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def load(self, sources: Mapping[Key, Source]) -> None:
        """Load and keep programs. Raises Failure if no process can be started.

        Settings of a process are those of the program that it loads last, so those with most choices come last.
        """
        self._sources |= sources
        self._fill(sorted(sources, key=lambda key: len(self._choices(key))))

    def require(self, key: Key) -> None:
        """Raise Failure if a program could not be loaded."""
        if key in self.failures:
            raise self.failures[key]

    def warm(self, key: Key) -> WarmUp:
        """Warm up a program. Raises Failure."""
        return self._asked(key, lambda worker: worker.warm(self._deadline_s, WARM_S))

    def time(
        self, key: Key, warm: WarmUp, budget_s: float, settled: Callable[[Samples], bool] = lambda samples: True
    ) -> Samples:
        """Time the phases of a program that is warm, again and again. Raises Failure.

        What has not settled is given the same budget again, `MOST_BUDGETS` times at most.
        """

        def measured(worker: Worker) -> Samples:
            run = Run(worker, warm.repeat, warm.cycle_s)
            for _ in range(MOST_BUDGETS):
                run_rounds(
                    {key: run},
                    target=TARGET,
                    budget_s=budget_s,
                    deadline_s=self._deadline_s,
                    finished=lambda key, run, left_s: None,
                )
                if run.failure:
                    raise run.failure
                if settled(run.samples):
                    break
            return run.samples

        return self._asked(key, measured)

    def in_turn(self, keys: Sequence[Key], cycles: int) -> dict[Key, Samples]:
        """Time the phases of programs of one worker, each after the others (`measure_in_turn`). Raises Failure."""
        (slot,) = self._slots
        assert slot.worker is not None
        numbers = [slot.numbers[key] for key in keys]
        seconds = slot.worker.measure_in_turn(self._deadline_s, numbers, cycles)
        return {key: Samples(of_phase) for key, of_phase in zip(keys, seconds, strict=True)}

    def in_place(self, key: Key, passes: int) -> InPlace:
        """Time each call within a program. If the profiler fails, the reason stands in for times; nothing is raised."""
        try:
            return self._asked(key, lambda worker: worker.in_place(self._deadline_s, passes))
        except Failure as failure:
            return InPlace(reason=failure.reason)

    def _asked(self, key: Key, ask: Callable[[Worker], T]) -> T:
        """Ask the worker that keeps a program; the other programs of a worker that fails are loaded anew."""
        slot = next(slot for slot in self._slots if key in slot.numbers)
        assert slot.worker is not None
        try:
            slot.worker.use(self._deadline_s, slot.numbers[key])
            return ask(slot.worker)
        except Failure as failure:
            self.failures[key] = failure
            lost = [other for other in slot.numbers if other != key]
            slot.worker, slot.numbers = None, {}
            self._fill(lost)
            raise

    def _fill(self, keys: Iterable[Key]) -> None:
        """Load programs, as many at a time as there are workers; one that fails keeps no other from being loaded."""
        queue = deque(keys)
        while queue:
            for slot in self._slots:  # here, as a process dies with the thread that has started it
                slot.worker = slot.worker or self._stack.enter_context(opened(self._launch, self._conditions))
            with ThreadPoolExecutor(len(self._slots)) as pool:
                list(pool.map(lambda slot: self._take_from(queue, slot), self._slots))

    def _take_from(self, queue: deque[Key], slot: _Slot[Key]) -> None:
        """Load programs from a queue, until it is empty or one of them fails."""
        while queue and slot.worker:
            try:
                key = queue.popleft()
            except IndexError:  # the other worker was faster
                return
            source = self._sources[key]
            try:
                slot.worker.load(
                    self._deadline_s, source.folder, self._launch.execution, self._choices(key), source.phases
                )
                slot.numbers[key] = slot.worker.keep(self._deadline_s)
            except Failure as failure:
                self.failures[key] = failure
                queue.extendleft(slot.numbers)
                slot.worker, slot.numbers = None, {}

    def _choices(self, key: Key) -> Mapping[str, object]:
        graph = self._sources[key].graph
        return self._launch.choices if graph is None else applicable(self._launch.choices, graph)


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
