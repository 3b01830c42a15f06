"""User errors, and how an exception that ends the program is reported: one sentence and an exit code."""

from __future__ import annotations

import errno
import re
import sys
import traceback
from pathlib import Path

INTERRUPTED = 130  # the exit code that a shell gives to a command ended by Ctrl-C

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class UserError(Exception):
    """A user's mistake. The message names the value, what was expected and what to do; no traceback is ever shown."""


def explanation(error: Exception) -> str | None:
    """Explain in one sentence a mistake that this program or Hydra detected, or a full disk. Returns None for a bug."""
    from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException
    from omegaconf.errors import OmegaConfBaseException

    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        conf = Path(__file__).parents[1] / "conf" / group
        deeper = [path.relative_to(conf).with_suffix("") for path in conf.glob(f"*/{option}.yaml")]
        hint = f"; did you mean {group}={deeper[0]}?" if deeper else ""
        return f"{group}={option}: not known; choose from {', '.join(error.options)}{hint}"
    cause = error.__cause__
    if isinstance(error, ConfigCompositionException) and isinstance(cause, OmegaConfBaseException) and cause.full_key:
        return (
            f"{cause.full_key}: {first_line(cause)}; the option --cfg hydra prints the keys and values that there are"
        )
    if isinstance(error, UserError | HydraException | OmegaConfBaseException):
        return str(error)
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        where = error.filename or "a file of this run"
        return f"{where}: cannot be written ({error.strerror}); free some space or choose results=FOLDER"
    if isinstance(error, ValueError) and str(error).startswith("Config group override"):  # as in `device=null`
        return f"{error}; choose an option of each group, or leave it out"
    return None


def first_line(error: Exception) -> str:
    """Return the first line of a library's error message, or the exception's type if it has no message."""
    lines = masked(str(error)).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def masked(text: str) -> str:
    """Leave the user and password out of every address in a text: `http://user:password@host` becomes `http://host`."""
    return re.sub(r"://[^/\s]\S*@", "://", text)


def report(error: Exception) -> int:
    """Print why the program ends, with a traceback for a bug. Returns the exit code: 2 for a mistake, 3 for a bug."""
    message = explanation(error)
    if message is None:
        traceback.print_exception(error)
        return 3
    print(f"twofold: {message}", file=sys.stderr)
    return 2
