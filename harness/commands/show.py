"""Prints the findings of a sweep again: `python -m harness.commands.show [NAME] [--results FOLDER]`.

NAME is `study/sweep`, a study, whose latest sweep is printed, the name of a sweep, or its folder; without it, the sweep
measured last is printed. The exit code is 0, or 2 if there is no such sweep.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ..claims.verdicts import verdict_on
from ..errors import UserError
from ..explain.kernel_problems import problems
from ..published.place import sentences
from ..records.record import read, records
from ..views.find import in_order, latest_folder
from ..views.terminal import TERMINAL


def main(arguments: Sequence[str]) -> int:
    """Print table, answer, likely kernel problems, published ratios, and verdicts on a claim. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="make show", description="Print the findings of a sweep again.")
    parser.add_argument("sweep", nargs="?", default="", help="study/sweep, a study, or a sweep; default: the latest")
    parser.add_argument("--results", type=Path, default=Path("results"))
    given = parser.parse_args(arguments)
    try:
        folder = latest_folder(given.sweep, given.results)
        measured = [read(path) for path in records(folder)]
        verdict = verdict_on(measured, folder)
    except UserError as error:
        print(f"twofold: {error}", file=sys.stderr)
        return 2
    ended = max(record.created for record in measured)[:16].replace("T", " ")
    TERMINAL.say(f"{folder.parent.name}/{folder.name}, measured until {ended} UTC")
    ordered = in_order(measured)
    TERMINAL.table(ordered)
    for text in (*problems(folder, ordered), *sentences(ordered)):
        TERMINAL.say(text)
    if verdict:
        TERMINAL.verdicts(verdict)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
