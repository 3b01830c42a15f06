"""A page that fetches what it shows, as a browser shows it once it is still."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .browser import CHROMIUM, NO_BROWSER

_WINDOW = "1400,900"  # pixels, as on a laptop
_PATIENCE_MS = 60_000  # of the page's own clock, which runs as fast as the page allows


def look(url: str, profile: Path) -> tuple[str, list[str]]:
    """Open a page in a browser that has never seen it. Returns its document once it is still, and the console's lines.

    `profile` is a folder for the browser's files.
    """
    assert CHROMIUM, NO_BROWSER
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
    command += [f"--window-size={_WINDOW}", f"--virtual-time-budget={_PATIENCE_MS}", "--enable-logging=stderr"]
    ended = subprocess.run([*command, "--dump-dom", url], capture_output=True, text=True, check=True, timeout=300)
    return ended.stdout, [line for line in ended.stderr.splitlines() if ":CONSOLE:" in line]
