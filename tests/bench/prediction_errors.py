"""How far off each prediction of a forward pass is: ours and neural-cost's, cell by cell and in the median."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

PHASES = ("inference", "forward")
PREDICTORS = ("ours", "zero-shot", "replay")


@dataclass(frozen=True)
class Cell:
    """Seconds of a cell: measured by phase, predicted by predictor, and neural-cost's lower bound.

    What a predictor does not predict is absent; `refused` says why neural-cost does not take the model.
    """

    name: str
    measured: Mapping[str, float]
    predicted: Mapping[str, float]
    bound: float | None = None
    refused: str = ""

    def error(self, predictor: str, phase: str) -> float | None:
        """Predicted over measured, less 1; None if it is not predicted."""
        seconds = self.predicted.get(predictor)
        return seconds / self.measured[phase] - 1 if seconds else None

    def row(self) -> list[str]:
        """A row of the table, whose errors are those of inference."""
        row = [self.name, *(f"{1e3 * self.measured[phase]:.3g}" for phase in reversed(PHASES))]
        for predictor in PREDICTORS:
            error = self.error(predictor, "inference")
            row += ["", ""] if error is None else [f"{1e3 * self.predicted[predictor]:.3g}", f"{error:+.0%}"]
        if self.bound is None:
            return [*row, "", f"not predicted: {self.refused}"]
        return [*row, f"{1e3 * self.bound:.3g}", "beaten" if self.measured["inference"] < self.bound else "kept"]


COLUMNS = (
    *("cell", "forward ms", "inference ms", "ours ms", "error"),
    *("neural-cost zero-shot ms", "error", "neural-cost replay ms", "error", "its lower bound ms", "which is"),
)


def compared(cells: Sequence[Cell], phase: str) -> Iterator[tuple[str, int, float, float]]:
    """Our median absolute error and then neural-cost's, over the cells that both predicted.

    Yields (its predictor, how many cells, ours, its), for each of its predictors that predicted any.
    """
    for predictor in PREDICTORS[1:]:
        pairs = [(cell.error("ours", phase), cell.error(predictor, phase)) for cell in cells]
        errors = [(abs(ours), abs(theirs)) for ours, theirs in pairs if ours is not None and theirs is not None]
        if errors:
            ours, theirs = (statistics.median(side) for side in zip(*errors, strict=True))
            yield predictor, len(errors), ours, theirs
