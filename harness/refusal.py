"""What ended the program early, told in a sentence where it is a mistake, ours or Hydra's to find, or a full disk."""

from __future__ import annotations

import errno
import sys
import traceback

from hydra.errors import HydraException, MissingConfigException
from omegaconf.errors import OmegaConfBaseException

from .errors import UserError

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def refusal(error: Exception) -> str | None:
    """The sentence; None for a bug."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        return f"{group}={option}: not known; choose from {', '.join(error.options)}"
    if isinstance(error, UserError | HydraException | OmegaConfBaseException):
        return str(error)
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        where = error.filename or "a file of this run"
        return f"{where}: cannot be written ({error.strerror}); free some space or choose results=FOLDER"
    if isinstance(error, ValueError) and str(error).startswith("Config group override"):  # as in `device=null`
        return f"{error}; choose an option of each group, or leave it out"
    return None


def told(error: Exception) -> int:
    """Tell what ended the program; its exit code."""
    said = refusal(error)
    if said is None:
        traceback.print_exception(error)
        return 3
    print(f"twofold: {said}", file=sys.stderr)
    return 2
