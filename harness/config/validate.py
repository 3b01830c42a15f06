"""Validates plain config values into dataclasses with pydantic. Errors name the key, the value, and what is allowed."""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Hashable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from ..errors import UserError

T = TypeVar("T")

_KINDS = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping",
}


def validated(kind: type[T], data: Any, where: str = "") -> T:
    """Build a dataclass from plain values.

    Args:
        kind: the dataclass.
        data: a mapping with its fields.
        where: the key of `data` in the config; empty for the whole config.

    Raises:
        UserError: a field is not valid; its message is one sentence about the first such field.
    """
    try:
        return typing.cast(T, _adapter(typing.cast(Hashable, kind)).validate_python(data))
    except ValidationError as invalid:
        error = invalid.errors()[0]
        raise UserError(_sentence(kind, data, where, error)) from invalid


def one_of(key: str, value: Any, allowed: tuple[T, ...]) -> T:
    """Return the value if it is an allowed one of the same type (true is not 1). Raises UserError if it is not."""
    for option in allowed:
        if type(value) is type(option) and value == option:
            return option
    raise UserError(f"{key}={value}: not known; choose from {listed(allowed)}")


def listed(values: Sequence[Any]) -> str:
    """Join values by commas, written as a user types them: true, not True."""
    return ", ".join(str(value).lower() if isinstance(value, bool) else str(value) for value in values)


def file_name(value: Any) -> str:
    """Check a name that becomes part of a path below the results: no slash, no leading dot. Raises ValueError."""
    if type(value) not in (str, int) or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", str(value)):
        raise ValueError("must be a name of letters, digits, '_', '-' and '.', at most 100")
    return str(value)


def folder_name(value: str) -> str:
    """Check that a path is not empty. Raises ValueError."""
    if not value:
        raise ValueError("must be a folder")
    return value


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _sentence(kind: type[Any], data: Any, where: str, error: Any) -> str:
    """Turn one of pydantic's errors into a sentence: the key as a user types it, the value, and what is allowed."""
    path, error_type = list(error["loc"]), error["type"]
    section = _section(kind, path)
    fields = [field.name for field in dataclasses.fields(section)] if section else []
    key = ".".join([*([where] if where else []), *map(str, path)])
    if error_type == "missing":
        return f"{key}: is missing; there must be {', '.join(fields)}"
    if error_type == "unexpected_keyword_argument":
        return f"{key}: no such key; there are {', '.join(fields)}"
    if error_type == "value_error":
        return f"{_with_value(key, data, path)}: {error['ctx']['error']}"
    if path and isinstance(path[-1], int):  # an item of a list
        key, path = key.rpartition(".")[0], path[:-1]
        return f"{_with_value(key, data, path)}: must be a list of {_KINDS.get(error_type, 'other values')}"
    if error_type == "literal_error":
        allowed = typing.get_args(_hint(kind, path))
        return f"{key}={error['input']}: not known; choose from {listed(allowed)}"
    if error_type == "dataclass_type":
        expected = f"a mapping with {', '.join(field.name for field in dataclasses.fields(_hint(kind, path)))}"
    elif error_type in _KINDS:
        expected = _KINDS[error_type]
    else:
        expected = _range(error)
    null = " or null" if type(None) in typing.get_args(_hint(kind, path)) else ""
    return f"{_with_value(key, data, path)}: must be {expected}{null}"


def _range(error: Any) -> str:
    """Describe the allowed range of numbers; in pydantic's own words if the error is not about a range."""
    bounds = error.get("ctx", {})
    if "ge" in bounds:
        return f"at least {bounds['ge']}"
    if "gt" in bounds or "lt" in bounds:
        return "more than 0 and less than a billion"
    return str(error["msg"].removeprefix("Input should be "))


def _with_value(key: str, data: Any, path: Sequence[Any]) -> str:
    """Write `key=value`, without the value if it is a whole non-empty mapping, and without the key if it is empty."""
    for step in path:
        data = data[step]
    return key if isinstance(data, Mapping) and data and not path else f"{key}={data!r}" if key else repr(data)


def _section(kind: type[Any], path: Sequence[Any]) -> type[Any] | None:
    """Return the dataclass that holds the last key of a path; None if it is not held by a dataclass."""
    holder = _hint(kind, path[:-1])
    return holder if dataclasses.is_dataclass(holder) and isinstance(holder, type) else None


def _hint(kind: Any, path: Sequence[Any]) -> Any:
    """Return the type at a path, through fields of dataclasses and values of dictionaries; Any if there is none."""
    for step in path:
        if dataclasses.is_dataclass(kind):
            kind = typing.get_type_hints(kind).get(str(step), Any)
        elif typing.get_origin(kind) is dict:
            kind = typing.get_args(kind)[1]
        else:
            return Any
    return kind
