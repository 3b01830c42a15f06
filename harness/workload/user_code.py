"""A user's own code: where it is looked for, and one phrase on what went wrong in it, and where."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_OURS = Path(__file__).parents[2]


class UserCodeError(Exception):
    """What a user named cannot be had. The message is one sentence."""


def imported(path: str, folders: Sequence[str], written: str) -> Any:
    """Import what a path such as `package.module:name` names, looking in some folders before all others.

    Raises UserCodeError if its module cannot be imported or lacks the name; `written` is the form to write it in.
    """
    module, _, name = path.partition(":")
    search_first(folders)
    try:
        value = getattr(importlib.import_module(module), name, None)
    except (Exception, SystemExit) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) and error.name else " "
        looked = (
            f"; looked for in {folders[0]} and where Python looks" if f"{module}.".startswith(f"{missing}.") else ""
        )
        raise UserCodeError(f"{path}: {module} cannot be imported ({exception_text(error)}){looked}") from error
    if value is None:
        raise UserCodeError(f"{path}: {module} has no {name!r}; write {written}")
    return value


def search_first(folders: Sequence[str]) -> None:
    """Have Python look for modules in some folders before all others."""
    sys.path[:0] = [folder for folder in folders if folder not in sys.path[: len(folders)]]


def exception_text(error: BaseException) -> str:
    """An exception's type and message, and the last place in the user's code from which it came."""
    lines = str(error).strip().splitlines()
    says = f"{type(error).__name__}: {lines[0][:200].rstrip('.')}" if lines else type(error).__name__
    if isinstance(error, SyntaxError) and error.filename:
        return f"{says}; {_short(error.filename)}, line {error.lineno}"
    place = origin(error)
    return f"{says}; {place}" if place else says


def origin(error: BaseException) -> str:
    """The last file and line in the user's code from which an exception came; empty if there is none."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_ours(frame.filename)]
    own = [frame for frame in frames if "-packages" not in frame.filename and not frame.filename.startswith("<")]
    own = [frame for frame in own if not frame.filename.startswith(str(Path(os.__file__).parent))]
    return f"{_short(own[-1].filename)}, line {own[-1].lineno}" if own else ""


def _is_ours(file: str) -> bool:
    return Path(file).is_relative_to(_OURS / "adapters") or Path(file).is_relative_to(_OURS / "harness")


def _short(file: str) -> str:
    """The last two parts of a path."""
    return "/".join(Path(file).parts[-2:])
