"""`make selfcheck`: real checks, then simulated ones.

Real: one network in many fresh processes. Each process measures it four times, interleaved: twice as it is, and once
with backward prolonged by each of two known shares. Every other framework and execution measures it once, as it is, in
fewer processes. Simulated: the same rounds and statistics on a simulated clock.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from ..errors import UserError
from ..job import Variant
from ..measure.clock import Samples
from ..measure.machine.description import describe, identity
from ..measure.machine.resources import cpus
from ..measure.protocol import Failure
from ..records.calibration import Calibration, store
from ..sweep.lock import device_lock
from ..workload.workload import Workload, save
from .checks import CELLS, LEAST, Process, real_checks
from .processes import installed, measure, pair_spread, ratio, spread
from .simulated_checks import simulated_checks

PROCESSES, OTHERS = 20, 8  # of the first framework and execution, and of every other one
WORKLOAD = Workload.of("mlp", {})
PAIRS_S = 5.0  # seconds of measuring per cell and process


def run(results: Path, processes: int = PROCESSES) -> bool:
    """Run all checks and store this machine's noise. Returns whether all checks hold.

    Raises Failure if a worker of the first variant fails, and UserError for too few processes.
    """
    if processes < LEAST:
        raise UserError(f"a self-check of {processes} processes says nothing; it takes {LEAST} or more")
    first, *others = installed()
    measured, alone = _measure(results, processes, first, others)
    spreads = {str(checked): spread(found) for checked, found in alone.items() if len(found) > 1}
    sigma, pair = spreads[str(first)].sigma["ratio"], pair_spread(alone[first])
    widest = max(spreads, key=lambda name: spreads[name].sigma["ratio"])
    floor = (
        f"noise floor: one ratio is known to {1.96 * sigma:.1%} between processes of {first}, to "
        f"{1.96 * spreads[widest].sigma['ratio']:.1%} of {widest}; one pair to {pair:.1%}"
    )
    checks = [*real_checks(measured), *simulated_checks(sigma, pair, processes)]
    created = datetime.now(UTC).isoformat(timespec="seconds")
    where = identity(describe())
    store(results, Calibration(where, created, WORKLOAD.as_dict(), len(cpus()), spreads, floor))
    print(*checks, floor, sep="\n")
    return all(check.good for check in checks)


def _measure(
    results: Path, processes: int, first: Variant, others: list[Variant]
) -> tuple[list[Process], dict[Variant, list[Samples]]]:
    """Measure every cell with `first`, and the undisturbed cell alone with each of `others`, spread over the same time.

    Returns the cells of each process of `first`, and the undisturbed samples of every variant that did not fail.
    """
    measured: list[Process] = []
    alone: dict[Variant, list[Samples]] = {checked: [] for checked in (first, *others)}
    print(f"{processes} fresh processes of {first}, {len(CELLS)} cells each; {OTHERS} of each of {len(others)} others")
    with tempfile.TemporaryDirectory(prefix="twofold-") as temporary:
        folder = save(WORKLOAD, Path(temporary) / "workload")
        for number in range(1, processes + 1):
            measured.append(measure(first, folder, results, number, CELLS, PAIRS_S))
            alone[first].append(measured[-1]["once"])
            due = others if number * OTHERS // processes > (number - 1) * OTHERS // processes else []
            for checked in due:
                try:
                    alone[checked].append(measure(checked, folder, results, number, {"once": 0.0}, PAIRS_S)["once"])
                except Failure as failure:  # do not lose the minutes of the others
                    print(f"  {checked} is left out: {failure}", flush=True)
                    alone.pop(checked)
            others = [checked for checked in others if checked in alone]
            seen = [f"{checked} {ratio(alone[checked][-1]):.3f}" for checked in (first, *due) if checked in alone]
            print(f"  {number} of {processes}: {', '.join(seen)}", flush=True)
    return measured, alone


def main() -> int:
    """Run the checks. Returns exit code 0 if every check holds, 1 if one does not, 2 if the machine cannot run them."""
    try:
        with device_lock("cpu", print):
            return int(not run(Path(sys.argv[1] if len(sys.argv) > 1 else "results")))
    except (UserError, Failure) as error:
        print(f"twofold: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
