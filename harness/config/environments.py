"""Reads the environments in which every variant is to be measured, side by side."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..errors import UserError
from ..job import UNNAMED, Environment
from ..measure.machine.environment import may_be_secret
from ..measure.worker import MALLOC
from .validate import file_name

_INTERPRETER = "interpreter"
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
_OURS = "TWOFOLD_"  # what workers are told in variables


def environments_of(chosen: Mapping[str, Any]) -> list[Environment]:
    """Build the chosen environments; the one without a name if there are none. Raises UserError."""
    return [_environment(name, settings) for name, settings in chosen.items()] or [UNNAMED]


def _environment(name: str, settings: Any) -> Environment:
    """Build one environment of a mapping of its variables and, perhaps, its interpreter. Raises UserError."""
    where = f"environments.{name}"
    try:
        file_name(name)
    except ValueError as error:
        raise UserError(f"{where}: its name {error}") from error
    if not isinstance(settings, Mapping):
        raise UserError(f"{where}={settings}: must be a mapping of variables, such as {{OMP_NUM_THREADS: 1}}")
    interpreter = settings.get(_INTERPRETER)
    if interpreter is not None and (not isinstance(interpreter, str) or not interpreter):
        raise UserError(f"{where}.{_INTERPRETER}={interpreter}: must be the path of a Python")
    variables = {key: _value(where, key, value) for key, value in settings.items() if key != _INTERPRETER}
    return Environment(name, interpreter, tuple(sorted(variables.items())))


def _value(where: str, key: Any, value: Any) -> str:
    """Return the value of a variable as a process sees it. Raises UserError."""
    if not _VARIABLE.fullmatch(str(key)):
        raise UserError(f"{where}.{key}: must be an environment variable, in capitals, or {_INTERPRETER}")
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise UserError(f"{where}.{key}={value}: must be text or a number; in quotes it is taken as it stands")
    if key.startswith(_OURS) or key in MALLOC["kept"]:
        raise UserError(f"{where}.{key}: is set by Twofold itself; choose device.memory or choices in its place")
    if may_be_secret(key, str(value)):
        raise UserError(f"{where}.{key}: looks like a secret, and would stand in every record; set it in your shell")
    return str(value)
