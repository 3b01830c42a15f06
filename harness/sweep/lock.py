"""Allows one sweep at a time on a device: two would disturb each other's measurements."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_held: set[str] = set()  # devices that this process has locked


@contextmanager
def device_lock(device: str, say: Callable[[str], None]) -> Iterator[None]:
    """Block until the device's lock is free; hold it until the context ends or the process exits for any reason.

    The lock is reentrant within the process: a sweep holds the device while each of its jobs locks it again. `say` is
    called once with a message if another process holds the lock.
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
            say(f"another sweep (process {holder}) is measuring on {device}; waiting for it to end (Ctrl-C gives up)")
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
