"""Builds typed values from plain ones, or says in one sentence which does not fit and what would."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from ..errors import UserError

T = TypeVar("T")


def one_of(key: str, value: Any, allowed: tuple[T, ...]) -> T:
    """The value, if it is one of those allowed: true is not 1."""
    for known in allowed:
        if type(value) is type(known) and value == known:
            return known
    raise UserError(f"{key}={value}: not known; choose from {listed(allowed)}")


def listed(values: tuple[Any, ...]) -> str:
    """As one types them: true, not True."""
    return ", ".join(str(value).lower() if isinstance(value, bool) else str(value) for value in values)


def file_name(key: str, value: Any) -> str:
    """A name that stays in its folder below the results: no slash, no leading dot."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", str(value)):
        raise UserError(f"{key}={value!r}: must be a name of letters, digits, '_', '-' and '.', at most 100")
    return str(value)


def checked(kind: type[T], data: Any, where: str = "") -> T:
    """Build a dataclass from a mapping; whatever does not fit its fields is named."""
    fields = dataclasses.fields(typing.cast(Any, kind))
    every = typing.get_type_hints(kind)
    hints = {field.name: every[field.name] for field in fields}  # not what belongs to the class
    needed = {f.name for f in fields if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING}
    if not isinstance(data, Mapping):
        raise UserError(f"{where}={data!r}: must be a mapping with {', '.join(hints)}")
    prefix = f"{where}." if where else ""
    if missing := needed - data.keys():
        raise UserError(f"{prefix}{min(missing)}: is missing; there must be {', '.join(hints)}")
    if unknown := data.keys() - hints.keys():
        raise UserError(f"{prefix}{min(map(str, unknown))}: no such key; there are {', '.join(hints)}")
    return kind(**{key: _value(value, hints[key], prefix + key) for key, value in data.items()})


def _value(value: Any, hint: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return checked(typing.cast(type, hint), value, where)
    if typing.get_origin(hint) is dict and isinstance(value, Mapping):
        return {key: _value(item, typing.get_args(hint)[1], f"{where}.{key}") for key, item in value.items()}
    if not _fits(value, hint):
        raise UserError(f"{where}={value!r}: must be {_readable(hint)}")
    return tuple(value) if typing.get_origin(hint) is tuple else value


def _fits(value: Any, hint: Any) -> bool:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return any(_fits(value, option) for option in arguments)
    if origin is tuple:
        return isinstance(value, list) and all(_fits(item, arguments[0]) for item in value)
    if hint is float:
        return type(value) in (int, float)
    return hint is Any or type(value) is hint


def _readable(hint: Any) -> str:
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false", type(None): "null"}
    if typing.get_origin(hint) is types.UnionType:
        return " or ".join(_readable(option) for option in typing.get_args(hint))
    return names.get(hint, "a list" if typing.get_origin(hint) is tuple else "a mapping")
