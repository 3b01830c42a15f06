"""`make parity`: ours against each framework's own library, in one process, in pairs.

`python -m tests.parity [WORDS] [--seconds N] [--write FILE]`. Words select lines: frameworks, executions, `models`,
`ops`, and names. Exit code 1 if a line takes more than 1.05 of theirs (1.10 where its interval is wide), or fails.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from itertools import groupby
from pathlib import Path

from harness.measure.machine.description import describe

from . import group, table
from .lines import Line, selected


def main(words: list[str], seconds: float, write: Path | None) -> int:
    """Measure the lines that the words select, telling each as it is done."""
    try:
        lines = selected(words)
    except ValueError as error:
        print(f"parity: {error}", file=sys.stderr)
        return 2
    start = time.perf_counter()
    rows: list[table.Row] = []
    logs = Path(tempfile.mkdtemp(prefix="parity-"))
    for (framework, execution), members in groupby(lines, lambda line: (line.framework, line.execution)):
        command = group.command(framework, execution, seconds)
        log = logs / f"{framework}-{execution}.log"
        for result in group.answers(command, [line.what for line in members], log):
            rows.append((Line(framework, execution, result["what"]), result))
            print(table.text(*rows[-1]), flush=True)
    if write:
        write.write_text(table.markdown(rows, describe()))
    above = [row for row in rows if not row[1].get("good")]
    print(f"{len(rows)} lines in {(time.perf_counter() - start) / 60:.1f} minutes, {len(above)} above theirs or failed")
    for row in above:
        print(f"  {table.text(*row)}")
    if above:
        print(f"what the processes said is in {logs}")
    return int(bool(above))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the worker ends as well
    parser = argparse.ArgumentParser(prog="python -m tests.parity", description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", help="frameworks, executions, models, ops, names; none for all")
    parser.add_argument("--seconds", type=float, default=0.4, help="of pairs, for each phase (default: %(default)s)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the Markdown table there")
    arguments = parser.parse_args()
    sys.exit(main(arguments.words, arguments.seconds, arguments.write))
