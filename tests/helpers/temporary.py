"""The environment of a sweep whose temporary folder is its own."""

from __future__ import annotations

import getpass
import os
import tempfile
from pathlib import Path


def with_temporary(folder: Path) -> dict[str, str]:
    """This environment with that temporary folder, which has a lock of its own: no sweep waits for another.

    The C++ header that torch compiles once, in a folder of the user's, is shared with all others.
    """
    shared = Path(tempfile.gettempdir()) / f"torchinductor_{getpass.getuser()}"
    shared.mkdir(exist_ok=True)
    link = folder / shared.name
    if not link.is_symlink():
        link.symlink_to(shared)
    return os.environ | {"TMPDIR": str(folder)}
