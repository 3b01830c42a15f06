"""One sweep again and again, each a child of a process that has imported everything: what takes most of the time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from harness.paths import ROOT

# For each line that comes in, one child, whose number and exit code are told. Without Hydra, which keeps nothing.
_SWEEPS = """
import os, sys, traceback
from pathlib import Path
import mlflow.store.tracking.sqlalchemy_store
from harness.job import Device, Framework, Job, Measure, Tracking, Variant
from harness.sweep.run import run_job, sum_up
from harness.sweep.sweep import Sweep, announce
from harness.views.terminal import Terminal
from harness.workload.workload import Workload

interpreter, results, printed = sys.argv[1:]
names = ("a", "b", "c")

def sweep():
    jobs = [
        Job("study", "main", Workload.of("mlp", {"batch": 2, "depth": 2, "width": 4}, seed=seed),
                 Device("cpu", 1, "kept"), tuple(Variant("fake", name) for name in names),
                 Measure("brief", 1, 0.02, 0.15, 0.05, 60.0),
                 Tracking(f"sqlite:///{results}/mlflow.db"),
                 {"fake": Framework(names, {"cpu": interpreter})}, Path(results))
        for seed in range(15)
    ]
    sweep = Sweep.of(jobs)
    announce([sweep], Terminal())
    for job in jobs:
        run_job(job, Terminal())
    return sum_up(sweep, Terminal()).code

for _ in sys.stdin:
    if pid := os.fork():
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
        continue
    for descriptor in (1, 2):
        os.dup2(os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
    try:
        code = sweep()
    except BaseException:
        traceback.print_exc()
        code = 3
    sys.stdout.flush()
    os._exit(code)
"""


class ForkedSweeps:
    """Measures three variants of the fake framework on each of 15 workloads, with MLflow, below a folder."""

    CELLS = 45

    def __init__(self, fake_python: str, folder: Path) -> None:
        self.results, self._printed = folder / "results", folder / "printed"
        self._parent = subprocess.Popen(
            [sys.executable, "-c", _SWEEPS, fake_python, str(self.results), str(self._printed)],
            cwd=ROOT,
            env=os.environ | {"TMPDIR": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self) -> int:
        """The number of the process."""
        print("start", file=self._parent.stdin, flush=True)
        return int(self._told())

    def exit_code(self) -> int:
        """That of the sweep that was started last, once it has ended."""
        return int(self._told())

    def printed(self) -> str:
        """What all sweeps have printed."""
        return self._printed.read_text()

    def end(self) -> None:
        """No more sweeps."""
        self._parent.communicate(timeout=60)

    def _told(self) -> str:
        assert self._parent.stdout is not None
        return self._parent.stdout.readline()
