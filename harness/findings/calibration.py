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

# How much an interval trusts these two, in degrees of freedom; with 4 it covers where they are wrong by a factor of 3.
ASSUMED_DF = 4.0


@dataclass(frozen=True)
class Spread:
    """Process-to-process standard deviations of logarithms, of `ratio`, `marginal` and each phase.

    `processes` is how many they are from; 0 for an assumption.
    """

    sigma: dict[str, float]
    processes: int

    @property
    def df(self) -> float:
        """Weight of `sigma` in an interval, in degrees of freedom."""
        return self.processes - 1 if self.processes else ASSUMED_DF

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
)


@dataclass(frozen=True)
class Calibration:
    """What the self-check found on the CPU of one machine, by framework and execution."""

    machine: str
    created: str
    spreads: dict[str, Spread]
    floor: str  # the machine's noise floor, in one line

    def of(self, framework: str, execution: str, device: str) -> Spread:
        """The spread of its processes, or the assumption where that was not checked."""
        return self.spreads.get(f"{framework}-{execution}", ASSUMED) if device == "cpu" else ASSUMED


def assumed(machine: str) -> Calibration:
    """What to go by without a self-check."""
    return Calibration(machine, "", {}, "noise floor not known: run make selfcheck")


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
