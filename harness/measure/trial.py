"""Runs one trial: a fresh set of workers, prepared side by side, then measured in rounds.

Workers that do not fit into memory together are prepared and measured in groups, one group after the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic

from .clock import Samples
from .device_numbers import DeviceNumbers, ask_device, ask_reduction
from .groups import Group
from .launch import Conditions, Launch, environment
from .machine.gpu import GpuWatch
from .protocol import Counted, Failure, Verified
from .rounds import Key, Run, run_rounds
from .worker import Worker


@dataclass
class Measured:
    """Everything measured of one variant so far, over all of its trials."""

    described: dict[str, str] = field(default_factory=dict)
    set_up_s: float = 0.0  # of the first trial; later trials find the compile cache warm
    measuring_s: float = 0.0  # warm-up and rounds, over all trials
    first_call_s: dict[str, float] = field(default_factory=dict)
    verified: Verified | None = None
    counted: dict[str, Counted] = field(default_factory=dict)
    trials: list[Samples] = field(default_factory=list)
    repeats: list[int] = field(default_factory=list)
    stops: list[str] = field(default_factory=list)
    device: DeviceNumbers | None = None  # of the first trial
    reduction: dict[str, float] = field(default_factory=dict)  # of the first trial, by the framework itself
    failure: Failure | None = None
    reference: str = ""  # where the loss and gradients that it was compared with were computed
    peak_bytes: int = 0  # the most memory that its worker held until it was prepared; 0 if not known
    turns: list[int] = field(default_factory=list)  # by trial, the number of its group
    group: str = ""  # with whom it shared its rounds, if not with all variants

    def add(self, run: Run, turn: int) -> None:
        """Add the rounds of a trial, which ended, or failed, in the group of that number."""
        self.failure = run.failure
        self.measuring_s += sum(run.samples.wall)
        self.turns.append(turn)
        self.trials.append(run.samples)
        self.repeats.append(run.repeat)
        self.stops.append(run.stop)


def run_trial(
    launches: Mapping[Key, Launch],
    measured: Mapping[Key, Measured],
    conditions: Conditions,
    workload: Future[Path],
    finished: Callable[[Key, float], None],
    wait_until_idle: Callable[[], object] = lambda: None,
    doing: Callable[[str, Key, float | None], None] = lambda what, name, left_s: None,
    abandon: Callable[[], object] = lambda: None,
) -> None:
    """Measure each variant once, in a fresh process. What runs out of memory beside others is tried once more, alone.

    Args:
        launches: the variants to measure, and how to start them.
        measured: the results of this trial are added here, failures too.
        conditions: the settings shared by all workers.
        workload: the folder of the workload's arrays, once they are written.
        finished: called with (name, seconds that the others may still take) as soon as a variant stops or fails.
        wait_until_idle: called just before timing starts; it blocks until no background work is left in this process
            (MLflow's import, for example).
        doing: called with (what is done, name, seconds that all may still take, if known) while nothing is timed.
        abandon: called if preparation is interrupted; ends what computes the workload's arrays.
    """
    trial = _Trial(launches, measured, conditions, workload, finished, wait_until_idle, doing, abandon)
    peaks = {name: measured[name].peak_bytes for name in launches if measured[name].peak_bytes}
    queue, turn = [list(launches)], 0
    while queue:
        names = queue.pop(0)
        group = Group(conditions.device.name, peaks, turn, queued=sum(map(len, queue)))
        trial.measure(group, names)
        queue = [*([group.waiting] if group.waiting else []), *queue, *([name] for name in group.crowded)]
        turn += 1


@dataclass(frozen=True)
class _Trial(Generic[Key]):
    """What all groups of a trial share: the arguments of `run_trial`."""

    launches: Mapping[Key, Launch]
    measured: Mapping[Key, Measured]
    conditions: Conditions
    workload: Future[Path]
    finished: Callable[[Key, float], None]
    wait_until_idle: Callable[[], object]
    doing: Callable[[str, Key, float | None], None]
    abandon: Callable[[], object]

    def measure(self, group: Group[Key], names: Sequence[Key]) -> None:
        """Prepare and measure those of the variants that fit into memory together."""
        with ExitStack() as stack:
            workers = {name: stack.enter_context(self._worker(name)) for name in names}
            self._prepare(group, workers)
            prepared = {name: worker for name, worker in workers.items() if name not in group.later}
            if not all(self.measured[name].failure for name in prepared):
                self.wait_until_idle()
            left_s = (len(names) + group.queued) * self.conditions.measure.budget_s
            runs = {}
            for name, worker in prepared.items():
                self.doing("warming up", name, left_s)
                if run := self._warm(group, name, worker):
                    runs[name] = run
                elif name not in group.later:
                    self.finished(name, left_s)
            self._measure_in_rounds(group, runs)

    def _worker(self, name: Key) -> Worker:
        launch = self.launches[name]
        settings = environment(launch, self.conditions)
        return Worker(launch.interpreter, self.conditions.cpus, launch.log, settings)

    def _prepare(self, group: Group[Key], workers: Mapping[Key, Worker]) -> None:
        """Import, load, verify and count what fits into memory, as many at a time as there are CPUs."""

        def prepare(name: Key) -> None:
            if not group.admits(name, workers[name]):
                return
            self.doing("preparing", name, None)
            result = self.measured[name]
            try:
                _load_and_verify(workers[name], self.launches[name], result, self.conditions, self.workload)
                result.peak_bytes = group.note_loaded(name, self.conditions.measure.deadline_s)
            except Failure as failure:
                if not group.queue_retry(name, failure):
                    result.failure = failure

        with ThreadPoolExecutor(max_workers=max(2, len(self.conditions.cpus))) as executor:
            futures = [executor.submit(prepare, name) for name in workers]
            try:
                for future in futures:
                    future.result()
            except BaseException:  # Ctrl-C must not wait for answers that may take minutes
                executor.shutdown(wait=False, cancel_futures=True)
                self.abandon()
                for worker in workers.values():
                    worker.process.kill()
                raise

    def _warm(self, group: Group[Key], name: Key, worker: Worker) -> Run | None:
        """Warm up one variant. Returns its run, or None if it has failed before or does now."""
        result, start = self.measured[name], time.monotonic()
        if result.failure:
            return None
        try:
            warm = worker.warm(self.conditions.measure.deadline_s, self.conditions.measure.warm_s)
        except Failure as failure:
            if not group.queue_retry(name, failure):
                result.failure = failure
            return None
        result.measuring_s += time.monotonic() - start
        return Run(worker, repeat=warm.repeat, cycle_s=warm.cycle_s)

    def _measure_in_rounds(self, group: Group[Key], runs: Mapping[Key, Run]) -> None:
        """Measure what is warm, and add it to the results as soon as each variant stops or fails."""
        measure, device = self.conditions.measure, self.conditions.device.name
        for name in runs:
            self.measured[name].group = group.sentence(runs, name)

        def later_s() -> float:
            return (group.queued + len(group.later)) * measure.budget_s

        def ended(name: Key, run: Run, left_s: float) -> None:
            if run.failure and group.queue_retry(name, run.failure):
                return
            result = self.measured[name]
            result.add(run, group.turn)
            if not run.failure and result.device is None:
                if self.launches[name].choices.get("replicas", 1) > 1:
                    result.reduction = ask_reduction(run, measure.deadline_s)
                result.device = ask_device(run, device, measure)
            self.finished(name, left_s + later_s())

        with GpuWatch() if device == "cuda" else nullcontext() as watch:
            for run in runs.values():
                run.look = watch.since if watch else run.look
            run_rounds(
                runs,
                target=measure.target,
                budget_s=measure.budget_s,
                deadline_s=measure.deadline_s,
                finished=ended,
                visiting=lambda name, left_s: self.doing("measuring", name, left_s + later_s()),
            )


def _load_and_verify(
    worker: Worker, launch: Launch, result: Measured, conditions: Conditions, workload: Future[Path]
) -> None:
    """Prepare one variant, and add what its worker reports to `result`. Raises Failure."""
    deadline_s, start = conditions.measure.deadline_s, time.monotonic()
    worker.open(
        deadline_s,
        framework=launch.framework,
        device=conditions.device.name,
        threads=len(conditions.cpus),
        precision=conditions.precision,
    )
    opened = time.monotonic()
    folder = workload.result()
    start += time.monotonic() - opened  # waiting for the arrays is not this variant's time
    loaded = worker.load(deadline_s, folder, launch.execution, launch.choices)
    result.reference = loaded.reference
    if not result.first_call_s:  # a later trial finds the compile cache warm
        result.described = loaded.described
        result.first_call_s = loaded.first_call_s
    result.verified = worker.verify(deadline_s)
    if not result.counted:
        result.counted = worker.count(deadline_s)
        result.set_up_s = time.monotonic() - start
    if conditions.measure.cache == "cold":
        result.described["cache"] = worker.cold(deadline_s)
