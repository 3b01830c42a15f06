"""How much the ratio of one cell spreads over fresh runs: this instrument beside `torch.utils.benchmark`.

`python -m tests.bench.spread` runs both in turn, quiet, and then beside a hog that takes one core in random bursts. A
rigorous run is what `measure=rigorous` takes together: five trials, here each of the same few seconds.
"""

from __future__ import annotations

import contextlib
import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from harness.measure import stats
from harness.measure.machine.resources import cpus
from harness.measure.rounds import Run, run_rounds
from harness.records.noise import noise
from harness.selfcheck.processes import installed, start
from harness.workload.workload import Workload, save

RUNS = 6
TRIALS = 5  # of a rigorous run
HOGGED = 20
SECONDS = 3.0
RESULTS = Path("results")

_HOG = """
import random, time
while True:
    end = time.perf_counter() + random.uniform(0.05, 0.5)
    while time.perf_counter() < end: pass
    time.sleep(random.uniform(0.05, 0.5))
"""


def ours(folder: Path, number: int, seconds: float = SECONDS) -> tuple[float, str]:
    """One trial in a fresh process: the ratio, and what disturbed it (empty if nothing)."""
    with start(installed()[0], folder, RESULTS, number) as (worker, warm):
        run = Run(worker, warm.repeat, warm.cycle_s)
        run_rounds({0: run}, target=1e-9, budget_s=seconds, deadline_s=60, finished=lambda *ended: None)
    return math.exp(stats.within(run.log_ratios()).centre), noise([run.samples], len(cpus()))


def well_known(seconds: float = SECONDS) -> float:
    """The same seconds by torch.utils.benchmark, in a fresh process."""
    asked = [sys.executable, "-m", "tests.bench.well_known_timer", str(seconds)]
    return float(subprocess.run(asked, stdout=subprocess.PIPE, text=True, check=True).stdout)


@contextlib.contextmanager
def hog() -> Iterator[None]:
    """One core taken in random bursts of 50 to 500 ms."""
    process = subprocess.Popen([sys.executable, "-c", _HOG])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def spread(name: str, values: np.ndarray) -> float:
    """Print the mean and the coefficient of variation; return the latter."""
    variation = float(values.std(ddof=1) / values.mean())
    print(f"  {name}: {len(values)} runs, {values.mean():.3f}, {variation:.2%}", flush=True)
    return variation


def main() -> int:
    """Print the spreads; 1 if a figure misses what harness/measure/README.md asks of the instrument."""
    with tempfile.TemporaryDirectory(prefix="twofold-") as temporary:
        folder = save(Workload.of("mlp", {}), Path(temporary) / "workload")
        own, other = np.empty((RUNS, TRIALS)), np.empty(RUNS)
        for number in range(RUNS):
            own[number] = [ours(folder, number)[0] for _ in range(TRIALS)]
            other[number] = well_known()
        print(f"quiet, fresh processes of {SECONDS:.0f} s: ratio and coefficient of variation")
        one = spread("this instrument, one trial", own.ravel())
        rigorous = spread(f"this instrument, {TRIALS} trials", np.exp(np.log(own).mean(axis=1)))
        spread("torch.utils.benchmark", other)
        with hog():
            beside = [(*ours(folder, number), well_known()) for number in range(HOGGED)]
    truth = float(np.median(own))
    good = sum(abs(ratio / truth - 1) < 0.03 or bool(disturbed) for ratio, disturbed, _ in beside)
    flagged = sum(bool(disturbed) for _, disturbed, _ in beside)
    theirs = sum(abs(ratio / float(np.median(other)) - 1) < 0.03 for _, _, ratio in beside)
    print(f"beside a hog: within 3 % of quiet or marked noisy: {good} of {HOGGED} runs ({flagged} marked)")
    print(f"  torch.utils.benchmark within 3 % of its own quiet value: {theirs} of {HOGGED}; it marks none")
    same_network = 0.5 < truth < 8 and 0.5 < float(np.median(other)) < 8
    return int(one > 0.015 or rigorous > 0.007 or good < 19 or not same_network)


if __name__ == "__main__":
    sys.exit(main())
