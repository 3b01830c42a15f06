"""The stored result of a self-check: how far processes differ on this machine. Every later interval uses it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..measure.stats import PRIOR_DF
from .record import Record, write_json

# Assumed without a self-check of this machine. Between fresh processes of one program, ratios differed by 1.2 to 2.1 %
# on a shared two-core machine; times, unlike ratios, also depend on the machine's load.
ASSUMED_RATIO = 0.02
ASSUMED_TIME = 0.05


@dataclass(frozen=True)
class Spread:
    """The spread of measurements over fresh processes of one program.

    Attributes:
        sigma: standard deviations of the logarithms of `ratio`, `marginal` and each phase's time, by name.
        processes: the number of processes they were estimated from; 0 for an assumption.
        df: their weight in an interval, in degrees of freedom.
        of_sweep: processes of the sweep itself that they were estimated from too.
    """

    sigma: dict[str, float]
    processes: int
    df: float
    of_sweep: int = 0

    @property
    def source(self) -> str:
        """The origin of the figures, in words that complete the description of an interval."""
        if not self.processes and not self.of_sweep:
            return "which is assumed; make selfcheck measures it"
        beforehand = f"a self-check of {self.processes} processes" if self.processes else "an assumption"
        if self.of_sweep:
            return f"from {self.of_sweep} processes of this framework in the sweep and {beforehand}"
        return f"from {beforehand}"


ASSUMED = Spread(
    {
        **dict.fromkeys(("ratio", "marginal"), ASSUMED_RATIO),
        **dict.fromkeys(("inference", "forward", "backward", "gradient"), ASSUMED_TIME),
    },
    processes=0,
    df=PRIOR_DF,
)


@dataclass(frozen=True)
class Calibration:
    """The result of a self-check on the CPUs of one machine: the `spreads` of one workload, by variant."""

    machine: str
    created: str
    workload: dict[str, Any]
    threads: int
    spreads: dict[str, Spread]
    floor: str  # the machine's noise floor, in one line

    def of(self, record: Record) -> Spread:
        """Return how far processes of the record's program differ: `ASSUMED` if no similar program was checked.

        Another workload or other choices may differ more than the program checked in the same framework and execution;
        then the figures get no more weight than an assumption.
        """
        spread = self.spreads.get(f"{record.framework}-{record.execution}")
        if not spread or (record.device, record.memory, record.threads) != ("cpu", "kept", self.threads):
            return ASSUMED
        was_checked = record.workload == self.workload and record.variant in self.spreads
        return spread if was_checked else replace(spread, df=min(spread.df, PRIOR_DF))


def assumed(machine: str) -> Calibration:
    """Return the calibration of a machine that had no self-check: no spreads, so that `of` returns the assumption."""
    return Calibration(machine, "", {}, 0, {}, "noise floor not known: run make selfcheck")


def load(results: Path, machine: str) -> Calibration:
    """Load the stored self-check, or the assumption if there is none of this machine. Raises UserError if corrupt."""
    try:
        data = json.loads(_path(results).read_text())
        spreads = {name: Spread(**spread) for name, spread in data.pop("spreads").items()}
        calibration = Calibration(**data, spreads=spreads)
    except FileNotFoundError:
        return assumed(machine)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(
            f"{_path(results)}: not a whole self-check ({error}); delete it and run make selfcheck"
        ) from error
    return calibration if calibration.machine == machine else assumed(machine)


def store(results: Path, calibration: Calibration) -> None:
    """Replace the stored self-check. Raises UserError if it cannot be written."""
    write_json(_path(results), asdict(calibration))


def _path(results: Path) -> Path:
    return results / "selfcheck.json"
