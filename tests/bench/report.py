"""What the page of a large sweep takes to write, to keep and to open: `python -m tests.bench.report [RECORDS]`.

The records are copies of those of `study=smoke`, which is measured first. Seconds are processor seconds.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from harness.paths import ROOT
from tests.bench.copies import copy, measured
from tests.helpers.browser import CHROMIUM, Page, browse

RECORDS = 10_000
MOST_S, MOST_MB, MOST_PAINT_S = 30.0, 8.0, 2.0

_PAINTED = "performance.getEntriesByName('first-contentful-paint').length > 0"


def first_paint(page: Path) -> float:
    """Open a page in a browser. Returns the seconds until something was seen."""
    seconds: list[float] = []

    async def visit(tab: Page) -> None:
        await tab.open(page.as_uri(), _PAINTED)
        milliseconds = await tab.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        seconds.append(milliseconds / 1000)

    browse(visit)
    return seconds[0]


def main(count: int) -> int:
    """Print what the page takes; 1 if anything misses its figure."""
    with tempfile.TemporaryDirectory(prefix="twofold-") as temporary:
        originals = measured(Path(temporary) / "measured", "study=smoke")
        results = Path(temporary) / "results"
        folder = results / "records" / "large" / "main"
        copy(originals, range(8, 8 + count // len(originals)), folder)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "harness.commands.report", "large/main", "--results", str(results)]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        megabytes = (folder / "report.html").stat().st_size / 1e6
        print(
            f"the page of {count // len(originals) * len(originals)} records: made in {took_s:.1f} s (at most "
            f"{MOST_S:.0f} s), {megabytes:.1f} MB (at most {MOST_MB:.0f} MB)",
            flush=True,
        )
        paint_s = first_paint(folder / "report.html") if CHROMIUM else 0.0
        print(f"first seen after {paint_s:.2f} s (at most {MOST_PAINT_S:.0f} s)" if CHROMIUM else "no browser is here")
    return int(took_s > MOST_S or megabytes > MOST_MB or paint_s > MOST_PAINT_S)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else RECORDS))
