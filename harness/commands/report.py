"""Writes the page of a sweep: `python -m harness.commands.report [NAME] [--results FOLDER]`.

NAME is as `harness.commands.show` takes it; without it, the page is of the sweep measured last. The exit code is 0, or
2 if there is no such sweep, or its folder cannot be written to.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ..claims.verdicts import verdict_on
from ..errors import UserError
from ..measure.machine.description import describe, identity
from ..records.calibration import load
from ..records.record import read, read_head, records
from ..report.findings import Findings
from ..report.page import write
from ..views.find import in_order, latest_folder

MOST_COMPARED = 1000  # records whose samples are read; steps of more are compared without intervals, which take long


def main(arguments: Sequence[str]) -> int:
    """Write the page and print its path. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="make report", description="Write the page of a sweep.")
    parser.add_argument("sweep", nargs="?", default="", help="study/sweep, a study, or a sweep; default: the latest")
    parser.add_argument("--results", type=Path, default=Path("results"))
    given = parser.parse_args(arguments)
    try:
        folder = latest_folder(given.sweep, given.results)
        paths = list(records(folder))
        measured = in_order([(read if len(paths) <= MOST_COMPARED else read_head)(path) for path in paths])
        calibration = load(given.results, identity(describe()))
        findings = Findings.of(folder, measured, calibration, verdict_on(measured, folder))
    except UserError as error:
        print(f"twofold: {error}", file=sys.stderr)
        return 2
    try:
        page = write(findings)
    except OSError as error:
        print(f"twofold: {error.filename}: cannot be written ({error.strerror})", file=sys.stderr)
        return 2
    print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
