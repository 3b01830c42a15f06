"""The time that calling takes by itself: an op within a pass, and the pass as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ..workload.workload import Workload, save

LEAST_NET = 0.05  # share of a time that is never taken for the cost of calling it

# Ops of no size, so that nothing but calls takes time: two of them alone, and two chains of both. A chain has a loss,
# which in some frameworks is five calls, so only the difference of the chains is the ops'.
_LAYERS = (2, 18)
TINY = {
    "a linear layer": Workload.of("op", {"op": "linear", "shapes": [[1, 1], [1, 1], [1]]}, gradients="both"),
    "an activation": Workload.of("op", {"op": "relu", "shapes": [[1, 1]]}),
    **{f"{depth} layers": Workload.of("mlp", {"batch": 1, "depth": depth, "width": 1}) for depth in _LAYERS},
}


def saved_tiny(precision: str, root: Path) -> dict[str, Path]:
    """Save the workloads of `TINY` below a folder. Returns the folder of each, by name."""
    return {
        name: save(replace(workload, precision=precision), root / name.replace(" ", "-"), solve=False)
        for name, workload in TINY.items()
    }


@dataclass(frozen=True)
class Calls:
    """Seconds that calling takes in one pass: for each op, and for the pass as a whole."""

    op: float
    whole: float

    @classmethod
    def of(cls, seconds: Mapping[str, float]) -> Calls:
        """Compute them from the times of the workloads of `TINY`, by name.

        Each further layer of a chain adds two calls; an op alone takes one call and a pass.
        """
        layer, activation, short, long = (seconds[name] for name in TINY)
        op = max(0.0, (long - short) / (2 * (_LAYERS[1] - _LAYERS[0])))
        return cls(op, max(0.0, (layer + activation) / 2 - op))

    def net(self, seconds: float) -> float:
        """The time of an op alone, without calling it."""
        return max(seconds - self.op - self.whole, LEAST_NET * seconds)
