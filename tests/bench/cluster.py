"""How far the planning goes: 100,000 cells over 500 nodes that fail and are preempted, in simulation.

`python -m tests.bench.cluster [CELLS]` counts processor seconds, whatever else runs here. Commands, plans, submission
and gathering are the harness's own; the queue is a simulated one, whose jobs write records without measuring anything.
The same command comes again until nothing is left.
"""

from __future__ import annotations

import json
import math
import random
import resource
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from io import StringIO
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from rich.console import Console

from harness.cluster import launch
from harness.cluster.node import agree
from harness.cluster.queue import End, Task
from harness.config.expand import Requested, requested
from harness.job import Job, Variant
from harness.measure.machine.description import describe
from harness.paths import ROOT
from harness.sweep import preflight
from harness.sweep.on_cluster import measure_elsewhere
from harness.sweep.run import sum_up
from harness.sweep.sweep import Sweep, announce, sweeps_of
from harness.views.terminal import Terminal
from tests.helpers.jobs import PLAIN, finished

CELLS = 100_000
NODES = 500
FAILS, PREEMPTED = 0.02, 0.05  # of all jobs: without any record, and after some of them
MOST_S, MOST_MIB = 60.0, 1024.0
WIDTHS, BATCHES, VARIANTS = range(8, 168, 8), range(1, 21), 6  # of one seed

_SECONDS = {phase: [0.001234567] * 160 for phase in ("forward", "backward")}
_SAMPLES = json.dumps([{"seconds": _SECONDS, "wall": [0.1] * 160}])


class Simulated:
    """A cluster of which each node is done with its job whenever it is asked for what is left."""

    name = "simulated"
    batch = 1000

    def __init__(self, requests: Sequence[Requested], seed: int) -> None:
        self._jobs = {_of_workload(request.overrides): request.job for request in requests}
        self._random = random.Random(seed)
        self._queue: deque[tuple[str, Task]] = deque()
        self.submitted = 0
        self._records: dict[Variant, tuple[str, str, str]] = {}
        self.written: list[str] = []

    def submit(self, tasks: Sequence[Task]) -> list[str]:
        """Put tasks at the end of the queue."""
        numbers = [str(self.submitted + number) for number in range(len(tasks))]
        self._queue.extend(zip(numbers, tasks, strict=True))
        self.submitted += len(tasks)
        return numbers

    def jobs(self, names: Iterable[str]) -> set[str]:
        """Let every node do one job."""
        for _ in range(min(NODES, len(self._queue))):
            self._run(self._jobs[_of_workload(self._queue.popleft()[1].overrides)])
        return {number for number, _ in self._queue}

    def waits_for(self) -> str:
        """Nothing."""
        return ""

    def end(self, job: str) -> End:
        """All end alike."""
        return End("PREEMPTED")

    def _run(self, job: Job) -> None:
        """Write the records of one job, or of its first variants, or none."""
        if not self.written:
            agree(job.folder, job.device.name, describe())
        left = [variant for variant in job.variants if not job.path(variant).exists()]
        luck = self._random.random()
        done = 0 if luck < FAILS else self._random.randrange(len(left)) if luck < FAILS + PREEMPTED else len(left)
        for variant in left[:done]:
            job.path(variant).write_text(self._record(job, variant))
            self.written.append(job.cell(variant))

    def _record(self, job: Job, variant: Variant) -> str:
        """The content of a record; those of a variant differ in what names the work."""
        if variant not in self._records:
            plain = replace(PLAIN, samples=[], framework=variant.framework, execution=variant.execution)
            text = json.dumps(asdict(finished(job, variant, plain))).removesuffix("[]}")
            self._records[variant] = f"{text}{_SAMPLES}}}", job.cell(variant), job.workload.digest
        text, cell, work = self._records[variant]
        return text.replace(cell, job.cell(variant)).replace(work, job.workload.digest)


def _of_workload(overrides: Sequence[str]) -> tuple[str, ...]:
    """The overrides that say what is computed."""
    return tuple(override for override in overrides if override.startswith(("model", "seed")))


class Simulation:
    """A sweep of `cells` or a few more, below a folder; `run` is one command."""

    def __init__(self, cells: int, results: Path) -> None:
        seeds = math.ceil(cells / (len(WIDTHS) * len(BATCHES) * VARIANTS))
        swept = (f"model.width={_listed(WIDTHS)}", f"model.batch={_listed(BATCHES)}", f"seed=range({seeds})")
        self._command = (*swept, "model.depth=3", "device=cpu", "variants=all", "tracking=off", f"results={results}")
        self._loader = GlobalHydra.instance().config_loader()
        self.terminal = Terminal(Console(file=StringIO(), width=200))
        self.commands = 0

    def plan(self) -> tuple[list[Requested], Sweep]:
        """From the command to the announcement, as the sweeper does."""
        parser = OverridesParser.create(config_loader=self._loader)
        jobs = list(requested(self._command, lambda few: compose("config", overrides=list(few)), parser, here=False))
        (sweep,) = sweeps_of(jobs, here=False)
        preflight.check([request.job for request in jobs], here=False)
        announce([sweep], self.terminal)
        return jobs, sweep

    def measure(self, jobs: Sequence[Requested], sweep: Sweep) -> tuple[Simulated, Mapping[str, str]]:
        """Submit what is outstanding to a simulated queue. Returns that, and what was lost."""
        self.commands += 1
        queue = Simulated(jobs, seed=self.commands)
        return queue, measure_elsewhere(queue, [sweep], jobs, "hydra", self.terminal)


def _listed(values: Iterable[int]) -> str:
    return ",".join(map(str, values))


@contextmanager
def instant() -> Iterator[None]:
    """Hydra is there, and nobody waits between two questions to a queue."""
    often_s, launch.OFTEN_S, seldom_s, launch.SELDOM_S = launch.OFTEN_S, 0.0, launch.SELDOM_S, 0.0
    try:
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            yield
    finally:
        launch.OFTEN_S, launch.SELDOM_S = often_s, seldom_s


def peak_mib() -> float:
    """The most memory that this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(cells: int) -> int:
    """Print what each command takes until nothing is left; 1 if a plan misses its figures."""
    missed = False
    with tempfile.TemporaryDirectory(prefix="twofold-") as temporary, instant():
        simulation = Simulation(cells, Path(temporary) / "results")
        while True:
            start = time.process_time()
            jobs, sweep = simulation.plan()
            planned_s, planned_mib = time.process_time() - start, peak_mib()
            outstanding = sum(map(len, sweep.outstanding))
            missed |= planned_s > MOST_S or planned_mib > MOST_MIB
            print(
                f"{outstanding} of {len(sweep.cells)} cells outstanding: planned in {planned_s:.1f} s (at most "
                f"{MOST_S:.0f} s) and {planned_mib:.0f} MiB (at most {MOST_MIB:.0f} MiB)",
                flush=True,
            )
            if not outstanding:
                break
            start = time.process_time()
            queue, lost = simulation.measure(jobs, sweep)
            of_all = f"{len(queue.written)} cells measured, {len(lost)} lost"
            took_s = time.process_time() - start
            print(f"  {queue.submitted} jobs on {NODES} nodes: {of_all}; simulated in {took_s:.1f} s", flush=True)
        start = time.process_time()
        sum_up(sweep, simulation.terminal)
        folder_mib = sum(path.stat().st_size for path in sweep.folder.iterdir()) / 2**20
        took_s = time.process_time() - start
        print(f"summed up in {took_s:.1f} s and {peak_mib():.0f} MiB; the records take {folder_mib:.0f} MiB")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else CELLS))
