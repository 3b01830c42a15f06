"""What makes two processes of one program differ: the ratio in fresh processes, one condition changed at a time.

`python -m tests.bench.between_processes` measures the check workload in torch eager, the conditions in turn.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.measure.clock import Samples
from harness.measure.worker import MALLOC
from harness.selfcheck.processes import estimates, installed, measure
from harness.workload.workload import Workload, save

PROCESSES = 12  # of each condition
SECONDS = 3.0
ADDR_NO_RANDOMIZE = 0x0040000  # personality(2)
_NOT_CHANGED = 0xFFFFFFFF


@dataclass(frozen=True)
class Condition:
    """How workers start: with these variables, and with address layout randomised or not."""

    environment: Mapping[str, str]
    randomised: bool = True


KEPT = MALLOC["kept"]
CONDITIONS = {
    "as measured (memory kept)": Condition(KEPT),
    "memory returned": Condition(MALLOC["returned"]),
    "fixed address layout": Condition(KEPT, randomised=False),
    "huge pages": Condition(KEPT | {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}),
    "threads bound to cores": Condition(KEPT | {"OMP_PROC_BIND": "true"}),
}


@contextlib.contextmanager
def address_layout(randomised: bool) -> Iterator[None]:
    """Children started inside inherit it."""
    personality = ctypes.CDLL(None).personality
    before = personality(_NOT_CHANGED)
    personality(before if randomised else before | ADDR_NO_RANDOMIZE)
    try:
        yield
    finally:
        personality(before)


def main() -> int:
    """A line for each condition."""
    found: dict[str, list[Samples]] = {name: [] for name in CONDITIONS}
    with tempfile.TemporaryDirectory(prefix="twofold-") as temporary:
        folder = save(Workload.of("mlp", {}), Path(temporary) / "workload")
        for number in range(PROCESSES):
            for name, condition in CONDITIONS.items():
                with address_layout(condition.randomised):
                    samples = measure(
                        installed()[0], folder, Path("results"), number, {"": 0.0}, SECONDS, condition.environment
                    )[""]
                found[name].append(samples)
    print(f"{PROCESSES} fresh processes each, {SECONDS:.0f} s: ratio, coefficient of variation")
    for name, processes in found.items():
        ratios = np.exp([estimate.centre for estimate in estimates(processes, "ratio")])
        print(f"  {name}: {ratios.mean():.3f}, {ratios.std(ddof=1) / ratios.mean():.2%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
