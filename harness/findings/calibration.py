"""What a self-check found out about this machine, stored so that every later interval can use it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import UserError
from .record import write_json

# Where no self-check of this machine says otherwise. Between fresh processes of one program 1.2 to 2.1 % was seen
# for the ratio on a shared two-core machine; times, unlike ratios, also follow the machine's load.
ASSUMED_RATIO = 0.02
ASSUMED_TIME = 0.05

# How much an interval trusts the figures, in degrees of freedom. With 7, simulated intervals hold the truth in 96 to
# 97 % of cases where the figures are of the program itself; with 4, still where they are wrong by a factor of 3.
MEASURED_DF = 7.0
ASSUMED_DF = 4.0


@dataclass(frozen=True)
class Calibration:
    """Process-to-process standard deviations of logarithms on one machine.

    `sigma` has `ratio`, `marginal` and each phase; `processes` is 0 for an assumption.
    """

    machine: str
    created: str
    sigma: dict[str, float]
    processes: int
    floor: str  # the machine's noise floor, in one line

    @property
    def measured(self) -> bool:
        """False for the assumption that stands in where no self-check has run."""
        return self.processes > 0

    @property
    def prior_df(self) -> float:
        """Weight of `sigma` in an interval, in degrees of freedom."""
        return MEASURED_DF if self.measured else ASSUMED_DF

    @property
    def source(self) -> str:
        """Where the figures are from, to stand behind an interval."""
        if self.measured:
            return f"from a self-check of {self.processes} processes"
        return "which is assumed; make selfcheck measures it"


def assumed(machine: str) -> Calibration:
    """What to go by without a self-check."""
    times = dict.fromkeys(("inference", "forward", "backward", "gradient"), ASSUMED_TIME)
    sigma = {"ratio": ASSUMED_RATIO, "marginal": ASSUMED_RATIO, **times}
    return Calibration(machine, "", sigma, 0, "noise floor not known: run make selfcheck")


def load(results: Path, machine: str) -> Calibration:
    """The stored self-check if it is of this machine, else the assumption."""
    try:
        found = Calibration(**json.loads(_path(results).read_text()))
    except FileNotFoundError:
        return assumed(machine)
    except (ValueError, TypeError) as error:
        raise UserError(
            f"{_path(results)}: not a whole self-check ({error}); delete it and run make selfcheck"
        ) from error
    return found if found.machine == machine else assumed(machine)


def store(results: Path, calibration: Calibration) -> None:
    """Replace the stored self-check. Raises UserError if it cannot be written."""
    write_json(_path(results), asdict(calibration))


def _path(results: Path) -> Path:
    return results / "selfcheck.json"
