"""The high-water mark of memory: what a call holds at once counts, however briefly, and what it has freed does not."""

from __future__ import annotations

import subprocess
import sys

from harness.paths import ROOT

MIB = 2**20
# In a process of its own, which manages memory as a worker does: what is freed is kept.
KEPT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40), "MALLOC_TOP_PAD_": str(2**26)}
PROGRAM = """
import numpy as np
from harness.measure.high_water import HighWater

freed = [np.ones(2**20) for _ in range(8)]  # 64 MiB, at rest no more
del freed
mark = HighWater()

def forward():
    temporary = np.ones(6 * 2**20)  # 48 MiB
    del temporary
    return np.ones(2 * 2**20)  # 16 MiB

for _ in range(2):
    kept, forward_peak = mark.of(forward)
    again, backward_peak = mark.of(lambda: [np.ones(2**20), np.ones(2**20)])
    print(forward_peak, backward_peak)
    del kept, again
"""


def test_the_most_at_once_is_told_in_each_call_and_what_is_held_counts_in_the_next() -> None:
    command = [sys.executable, "-c", PROGRAM]
    printed = subprocess.run(command, env=KEPT, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for line in printed.splitlines():
        forward_peak, backward_peak = map(int, line.split())
        assert 47 * MIB < forward_peak < 50 * MIB, "48 for an instant, then 16"
        assert 31 * MIB < backward_peak < 34 * MIB, "16 are held, two arrays of 8 more"
    assert len(printed.splitlines()) == 2
