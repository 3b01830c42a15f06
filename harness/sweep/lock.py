"""One sweep at a time on one device: two would measure each other."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_held: set[str] = set()  # devices that this process holds


@contextmanager
def device_lock(device: str, say: Callable[[str], None]) -> Iterator[None]:
    """Block until the device's lock is free, and hold it. The lock ends with this process, however it exits.

    A process that holds it already gets it again: a sweep holds the device for all of its jobs.
    """
    if device in _held:
        yield
        return
    path = Path(tempfile.gettempdir()) / f"twofold-{os.getuid()}-{device}.lock"
    with path.open("a+") as file:
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
        _held.add(device)
        try:
            yield
        finally:
            _held.remove(device)
