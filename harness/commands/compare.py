"""Compares two sweeps: `python -m harness.commands.compare A B [--force] [--junit FILE] [--markdown FILE]`.

A and B are folders of records, sweeps as `study/sweep`, names of sweeps, or `mlflow:EXPERIMENT`; `sweep@environment`
is the part of a sweep that was measured in one environment. The exit code is 0, or 1 if forward or backward is slower
anywhere, or 2 for a user's mistake.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import UserError
from ..measure.machine.description import identity
from ..records.calibration import load
from ..views import gate
from ..views.compare import compare_all, exit_code, lines
from ..views.find import open_side
from ..views.matching import match, remarks

_EXIT_CODES = "exit code: 0; 1 if forward or backward is slower anywhere; 2 for a mistake (make turns 1 into 2)"
NO_DIFFERENCE = "both have the same settings, versions, environment, machine and commit"


def main(arguments: Sequence[str]) -> int:
    """Print the comparison, and write it to files if asked. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="make compare", description="Compare two sweeps.", epilog=_EXIT_CODES)
    parser.add_argument("a", help="the sweep before: a folder, study/sweep, a sweep's name, or mlflow:EXPERIMENT")
    parser.add_argument("b", help="the sweep after; sweep@environment is what one environment of it measured")
    parser.add_argument("--force", action="store_true", help="compare even if machine, sizes or precision differ")
    parser.add_argument("--junit", type=Path, help="write JUnit XML to this file: a test for each cell")
    parser.add_argument("--markdown", type=Path, help="write a Markdown table to this file, for a pull request")
    parser.add_argument("--results", type=Path, default=Path("results"))
    given = parser.parse_args(arguments)
    title = f"B = {given.b} against A = {given.a}"
    try:
        if not given.a or not given.b:
            raise UserError(
                f"{'A' if not given.a else 'B'}: no sweep is named; write make compare A=study/sweep B=study/sweep"
            )
        before, after = open_side(given.a, given.results), open_side(given.b, given.results)
        pairs = match(before, after, given.force)
        calibration = load(given.results, identity(pairs[0][0].machine))
        cells = compare_all(pairs, calibration)
        differing = remarks(pairs) or [NO_DIFFERENCE]
        if given.junit:
            gate.write(given.junit, gate.junit(cells, title, differing), "JUNIT")
        if given.markdown:
            gate.write(given.markdown, gate.markdown(cells, title, differing), "MARKDOWN")
    except UserError as error:
        print(f"twofold: {error}", file=sys.stderr)
        return 2
    print(f"{title}; {calibration.floor}")
    print("\n".join([*differing, "", *lines(cells), "", gate.summary(cells)]))
    return exit_code(cells)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
