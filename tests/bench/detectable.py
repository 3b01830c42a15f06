"""The smallest change that `make compare` finds: `python -m tests.bench.detectable` simulates it, by trials and cells.

Backward of one cell in twenty is slower, by each of some percentages in turn; a change counts as found where at least
90 of 100 such cells are called slower. Processes differ as on a quiet machine (`tests/helpers/simulated_sweeps.py`).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from harness.measure.comparison import Answer
from tests.helpers.simulated_sweeps import Known, Noise, simulated

PERCENT = (5, 8, 10, 12, 15, 20, 25, 30, 40, 50, 75, 100, 200, 500)
ONE_IN = 20
CHANGED = 100  # cells that are slower, over all comparisons
FOUND = 0.9
SELF_CHECKED = Known(time=0.02, ratio=0.012)
TRIALS = {1: "brief", 2: "quick", 3: "standard", 5: "rigorous"}
# What is known of processes beforehand, and whether both sides are measured in the same rounds.
SITUATIONS = {
    "two sweeps": (Known(), False),
    "two sweeps and a self-check": (SELF_CHECKED, False),
    "one sweep": (Known(), True),
}


def share_found(percent: float, cells: int, trials: int, known: Known, in_same_rounds: bool) -> float:
    """The share of the cells whose backward takes so many percent longer that are called slower."""
    generator = np.random.default_rng(4)
    changed = cells // ONE_IN
    slower = 0
    for _ in range(CHANGED // changed):
        comparisons = simulated(
            generator, cells, trials, Noise(), known, [1 + percent / 100] * changed, in_same_rounds
        )["backward"]
        slower += [comparison.answer for comparison in comparisons[:changed]].count(Answer.SLOWER)
    return slower / CHANGED


def smallest(cells: int, trials: int, known: Known, in_same_rounds: bool, percents: Sequence[int] = PERCENT) -> str:
    """The smallest percentage that is found, as text; "more" if none is."""
    return next((f"{p} %" for p in percents if share_found(p, cells, trials, known, in_same_rounds) >= FOUND), "more")


def main() -> int:
    """Print the table, which is no judgement: the exit code is 0."""
    print(
        f"| trials on each side | cells | {' | '.join(SITUATIONS)} |\n|---|---|{'---|' * len(SITUATIONS)}", flush=True
    )
    for trials, name in TRIALS.items():
        for cells in (ONE_IN, 10 * ONE_IN):
            found = [smallest(cells, trials, *situation) for situation in SITUATIONS.values()]
            print(f"| {trials} (`{name}`) | {cells} | {' | '.join(found)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
