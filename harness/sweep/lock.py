"""One sweep at a time on one device: two would measure each other."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO


def hold(device: str, say: Callable[[str], None]) -> IO[str]:
    """Wait for the device's lock and keep it until the returned file is closed, or this process ends however."""
    path = Path(tempfile.gettempdir()) / f"twofold-{os.getuid()}-{device}.lock"
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        say(f"another sweep (process {holder}) measures on {device}; waiting for its end, Ctrl-C gives up")
        fcntl.flock(file, fcntl.LOCK_EX)
    file.seek(0)
    file.truncate()
    file.write(str(os.getpid()))
    file.flush()
    return file
