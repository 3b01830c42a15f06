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
from typing import Any

from ..job import UNNAMED, Device, Environment, Measure
from .clock import Samples
from .device_numbers import DeviceNumbers, ask_device, ask_reduction
from .groups import Group
from .machine.gpu import GpuWatch
from .protocol import Counted, Failure, Verified
from .rounds import Key, Run, run_rounds
from .worker import MALLOC, Worker


@dataclass(frozen=True)
class Launch:
    """Everything needed to start the worker of one variant: its program, its interpreter and environment, its log."""

    framework: str
    execution: str
    choices: dict[str, Any]
    interpreter: str
    log: Path
    environment: Environment = UNNAMED


@dataclass(frozen=True)
class Conditions:
    """The settings shared by all workers of a job. Frameworks store compiled programs in `cache`."""

    device: Device
    measure: Measure
    precision: str
    cpus: Sequence[int]
    cache: Path


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
    peaks = {name: measured[name].peak_bytes for name in launches if measured[name].peak_bytes}
    queue, turn = [dict(launches)], 0
    while queue:
        members = queue.pop(0)
        group = Group(conditions.device.name, peaks, turn, queued=sum(map(len, queue)))
        _run_group(group, members, measured, conditions, workload, finished, wait_until_idle, doing, abandon)
        waiting = {name: members[name] for name in group.waiting}
        queue = [*([waiting] if waiting else []), *queue, *({name: members[name]} for name in group.crowded)]
        turn += 1


def _run_group(
    group: Group[Key],
    launches: Mapping[Key, Launch],
    measured: Mapping[Key, Measured],
    conditions: Conditions,
    workload: Future[Path],
    finished: Callable[[Key, float], None],
    wait_until_idle: Callable[[], object],
    doing: Callable[[str, Key, float | None], None],
    abandon: Callable[[], object],
) -> None:
    """Prepare and measure those of the variants that fit into memory together: see `run_trial` for the arguments."""
    budget_s = conditions.measure.budget_s

    def later_s() -> float:
        return (group.queued + len(group.later)) * budget_s

    with ExitStack() as stack:
        workers: dict[Key, Worker] = {}
        for name, launch in launches.items():
            settings = environment(launch, conditions)
            workers[name] = stack.enter_context(Worker(launch.interpreter, conditions.cpus, launch.log, settings))
        _prepare(workers, launches, measured, conditions, workload, group, doing, abandon)
        names = [name for name in workers if name not in group.later]
        if not all(measured[name].failure for name in names):
            wait_until_idle()
        runs = {}
        for name in names:
            left_s = (len(launches) + group.queued) * budget_s
            doing("warming up", name, left_s)
            run = _warm(name, workers[name], measured[name], conditions, group)
            if run:
                runs[name] = run
            elif name not in group.later:
                finished(name, left_s)
        for name in runs:
            measured[name].group = group.sentence(runs, name)

        def ended(name: Key, run: Run, left_s: float) -> None:
            if run.failure and group.puts_off(name, run.failure):
                return
            result = measured[name]
            result.failure = run.failure
            result.measuring_s += sum(run.samples.wall)
            result.turns.append(group.turn)
            result.trials.append(run.samples)
            result.repeats.append(run.repeat)
            result.stops.append(run.stop)
            if not run.failure and result.device is None:
                if launches[name].choices.get("replicas", 1) > 1:
                    result.reduction = ask_reduction(run, conditions.measure.deadline_s)
                result.device = ask_device(run, conditions.device.name, conditions.measure)
            finished(name, left_s + later_s())

        with GpuWatch() if conditions.device.name == "cuda" else nullcontext() as watch:
            for run in runs.values():
                run.look = watch.since if watch else run.look
            run_rounds(
                runs,
                target=conditions.measure.target,
                budget_s=conditions.measure.budget_s,
                deadline_s=conditions.measure.deadline_s,
                finished=ended,
                visiting=lambda name, left_s: doing("measuring", name, left_s + later_s()),
            )


def environment(launch: Launch, conditions: Conditions) -> dict[str, str]:
    """The environment variables of a variant's worker, besides those of this process.

    Each named environment has a compile cache of its own: not every variable is part of a compiled program's key.
    """
    name = launch.environment.name
    cache = conditions.cache / f"environment-{name}" if name else conditions.cache
    return {
        **dict(launch.environment.variables),
        **MALLOC[conditions.device.memory],
        "TWOFOLD_CACHE_DIR": str(cache.resolve()),
        "TWOFOLD_KERNELS": launch.choices.get("kernels", "native"),  # TensorFlow reads it when imported
        "TWOFOLD_DETERMINISTIC": str(launch.choices.get("deterministic", False)),  # and torch this
        "TWOFOLD_REPLICAS": str(launch.choices.get("replicas", 1)),  # jax and TensorFlow start as many devices
    }


def _prepare(
    workers: Mapping[Key, Worker],
    launches: Mapping[Key, Launch],
    measured: Mapping[Key, Measured],
    conditions: Conditions,
    workload: Future[Path],
    group: Group[Key],
    doing: Callable[[str, Key, float | None], None],
    abandon: Callable[[], object],
) -> None:
    """Import, load, verify and count what fits into memory, as many at a time as there are CPUs. Nothing is timed."""

    def prepare(name: Key) -> None:
        if not group.admits(name, workers[name]):
            return
        doing("preparing", name, None)
        try:
            _load_and_verify(workers[name], launches[name], measured[name], conditions, workload)
            measured[name].peak_bytes = group.is_loaded(name, conditions.measure.deadline_s)
        except Failure as failure:
            if not group.puts_off(name, failure):
                measured[name].failure = failure

    with ThreadPoolExecutor(max_workers=max(2, len(conditions.cpus))) as executor:
        futures = [executor.submit(prepare, name) for name in workers]
        try:
            for future in futures:
                future.result()
        except BaseException:  # Ctrl-C must not wait for answers that may take minutes
            executor.shutdown(wait=False, cancel_futures=True)
            abandon()
            for worker in workers.values():
                worker.process.kill()
            raise


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


def _warm(name: Key, worker: Worker, result: Measured, conditions: Conditions, group: Group[Key]) -> Run | None:
    """Warm up one variant. Returns its run, or None if it has failed before or does now."""
    if result.failure:
        return None
    start = time.monotonic()
    try:
        warm = worker.warm(conditions.measure.deadline_s, conditions.measure.warm_s)
    except Failure as failure:
        if not group.puts_off(name, failure):
            result.failure = failure
        return None
    result.measuring_s += time.monotonic() - start
    return Run(worker, repeat=warm.repeat, cycle_s=warm.cycle_s)
