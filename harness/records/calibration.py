"""What a self-check found out about this machine, stored so that every later interval can use it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..measure.stats import PRIOR_DF
from .record import Record, write_json

# Where no self-check of this machine says otherwise. Between fresh processes of one program 1.2 to 2.1 % was seen
# for the ratio on a shared two-core machine; times, unlike ratios, also follow the machine's load.
ASSUMED_RATIO = 0.02
ASSUMED_TIME = 0.05


@dataclass(frozen=True)
class Spread:
    """Process-to-process standard deviations of logarithms, of `ratio`, `marginal` and each phase.

    `processes` is how many they are from, 0 for an assumption; `df` their weight in an interval, in degrees of freedom.
    """

    sigma: dict[str, float]
    processes: int
    df: float

    @property
    def source(self) -> str:
        """Where the figures are from, to stand behind an interval."""
        if self.processes:
            return f"from a self-check of {self.processes} processes"
        return "which is assumed; make selfcheck measures it"


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
    """What the self-check found on the CPUs of one machine: how far processes of one workload differ, by variant."""

    machine: str
    created: str
    workload: dict[str, Any]
    threads: int
    spreads: dict[str, Spread]
    floor: str  # the machine's noise floor, in one line

    def of(self, record: Record) -> Spread:
        """How far processes of the record's program differ, or the assumption where nothing like it was checked.

        Another workload of the same framework and execution may differ more, so the figures weigh as an assumption.
        """
        found = self.spreads.get(f"{record.framework}-{record.execution}")
        if not found or (record.device, record.memory, record.threads) != ("cpu", "kept", self.threads):
            return ASSUMED
        own = record.workload == self.workload and record.variant in self.spreads
        return found if own else replace(found, df=min(found.df, PRIOR_DF))


def assumed(machine: str) -> Calibration:
    """What to go by without a self-check."""
    return Calibration(machine, "", {}, 0, {}, "noise floor not known: run make selfcheck")


def load(results: Path, machine: str) -> Calibration:
    """The stored self-check if it is of this machine, else the assumption."""
    try:
        found = json.loads(_path(results).read_text())
        spreads = {name: Spread(**spread) for name, spread in found.pop("spreads").items()}
        calibration = Calibration(**found, spreads=spreads)
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
