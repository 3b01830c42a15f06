"""What the harness adds to a variant: hand-over of processes, record, MLflow. On a fake framework of known times.

`python -m tests.bench.overhead`: a sweep of few and one of many variants; their difference leaves out what each costs
once.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness.paths import ROOT
from tests.fakes.adapters.fake import SECONDS

FEW, MANY = 2, 12
BUDGET_S, WARM_S = 0.5, 0.05
MOST_S = 0.5
FAKE = ROOT / "tests" / "fakes" / "python.py"
IMPORTS = "import harness.measure.worker, harness.measure.clock, harness.workload.workload, harness.workload.agreement"


def sweep(variants: int) -> float:
    """Seconds of a whole sweep of so many variants, MLflow included."""
    executions = ",".join(f"e{number:02d}x" for number in range(variants))
    with tempfile.TemporaryDirectory() as temporary:
        python = Path(temporary) / "python"
        python.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, str(FAKE)])} "$@"\n')
        python.chmod(0o755)
        asked = [
            *(f"results={temporary}/results", "device=cpu", "model.batch=2", "model.depth=2", "model.width=4"),
            *(f"measure.budget_s={BUDGET_S}", f"measure.warm_s={WARM_S}", "measure.target=1e-9"),
            *("variants=numpy", "variants.numpy=[]", f"+variants.fake=[{executions}]"),
            *(f"+frameworks.fake.executions=[{executions}]", f"+frameworks.fake.interpreters.cpu={python}"),
        ]
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "harness", "-m", *asked],
            env=os.environ | {"TMPDIR": temporary},
            check=True,
            capture_output=True,
        )
        return time.perf_counter() - start


def imports() -> float:
    """Seconds until a worker has imported what every worker imports."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", IMPORTS], check=True)
    return time.perf_counter() - start


def main() -> int:
    """Print the seconds of a variant and their parts; 1 if the harness takes more than MOST_S."""
    each = (min(sweep(MANY) for _ in range(2)) - min(sweep(FEW) for _ in range(2))) / (MANY - FEW)
    cycle = sum(SECONDS.values())
    prepared = (min(imports() for _ in range(3)) + 2 * cycle) / 2  # first calls and verification, two at a time
    warmed = cycle * (1 + WARM_S // cycle)
    overhead = each - BUDGET_S - warmed - prepared
    parts = f"{BUDGET_S:.2f} measuring, {warmed:.2f} warm-up, {prepared:.2f} imports and first calls"
    print(f"a variant takes {each:.2f} s: {parts}")
    print(f"  the harness takes {overhead:.2f} s of it (at most {MOST_S} s)")
    return int(overhead > MOST_S)


if __name__ == "__main__":
    sys.exit(main())
