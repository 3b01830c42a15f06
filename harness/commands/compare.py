"""Compares two sweeps: `python -m harness.commands.compare A B [--force] [--results FOLDER]`.

A and B are folders of records, sweeps as `study/sweep`, names of sweeps, or `mlflow:EXPERIMENT`. The exit code is 0, or
1 if forward or backward is slower anywhere, or 2 for a user's mistake.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import UserError
from ..measure.machine.description import describe, identity
from ..records.calibration import load
from ..views.compare import compare_all, exit_code, lines, match, remarks
from ..views.find import open_sweep

_EXIT_CODES = "exit code: 0; 1 if forward or backward is slower anywhere; 2 for a mistake (make turns 1 into 2)"
NO_DIFFERENCE = "both have the same settings, versions, environment, machine and commit"


def main(arguments: Sequence[str]) -> int:
    """Print the comparison. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="make compare", description="Compare two sweeps.", epilog=_EXIT_CODES)
    parser.add_argument("a", help="the sweep before: a folder, study/sweep, a sweep's name, or mlflow:EXPERIMENT")
    parser.add_argument("b", help="the sweep after")
    parser.add_argument("--force", action="store_true", help="compare even if machine, sizes or precision differ")
    parser.add_argument("--results", type=Path, default=Path("results"))
    given = parser.parse_args(arguments)
    try:
        before, after = open_sweep(given.a, given.results), open_sweep(given.b, given.results)
        calibration = load(given.results, identity(describe()))
        pairs = match(before, after, given.force)
        comparisons = compare_all(pairs, calibration)
    except UserError as error:
        print(f"twofold: {error}", file=sys.stderr)
        return 2
    print(f"B = {given.b} against A = {given.a}; {calibration.floor}")
    print("\n".join([*(remarks(pairs) or [NO_DIFFERENCE]), "", *lines(comparisons)]))
    return exit_code(comparisons)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
