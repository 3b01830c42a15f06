"""Composes the configs of many jobs. Hydra takes 0.1 s for one; jobs that differ in plain values share its work.

Values that Hydra would only put in their places are put there by this: they belong to no config group, and no other
value is derived from them. Everything else is left to Hydra, and so is every mistake.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ..errors import UserError

Overrides = tuple[str, ...]
Compose = Callable[[Overrides], DictConfig]

_SCALARS = (bool, int, float, str, type(None))
_REFERENCE = re.compile(r"\$\{\s*([\w.]+)\s*\}")


class Composer:
    """Composes by `compose`, which takes overrides without swept values. Keeps what it has composed and parsed."""

    def __init__(self, compose: Compose, parser: OverridesParser) -> None:
        self.compose, self._parser = compose, parser
        self._parsed: dict[str, Override] = {}
        self._bases: dict[Overrides, tuple[dict[str, Any], set[str]]] = {}

    def parse(self, override: str) -> Override:
        """Parse an override. Raises Hydra's own exceptions."""
        if override not in self._parsed:
            (self._parsed[override],) = self._parser.parse_overrides([override])
        return self._parsed[override]

    def plain(self, overrides: Overrides) -> dict[str, Any]:
        """Compose a config, without the part that is Hydra's own, into plain values. Raises as Hydra, or UserError."""
        values = {override: parsed for override in overrides if _is_plain(parsed := self.parse(override))}
        while True:
            rest = tuple(override for override in overrides if override not in values)
            base, referred = self._base(rest)
            strangers = [o for o, parsed in values.items() if not _has_place(parsed, base, referred)]
            if not strangers:
                break
            for override in strangers:
                del values[override]
        config: dict[str, Any] = _copied(base)
        for parsed in values.values():
            *path, name = parsed.key_or_group.split(".")
            holder = config
            for step in path:
                holder = holder[step]
            holder[name] = copy.copy(parsed.value())
        return config

    def _base(self, overrides: Overrides) -> tuple[dict[str, Any], set[str]]:
        """Compose plain values, and list the keys that other values are derived from."""
        if overrides not in self._bases:
            self._bases[overrides] = resolved(self.compose(overrides))
        return self._bases[overrides]


def resolved(config: DictConfig) -> tuple[dict[str, Any], set[str]]:
    """Resolve a config, without the part that is Hydra's own, into plain values. Raises UserError.

    Returns these, and the keys that other values are derived from.
    """
    try:
        ours = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
        raw = OmegaConf.to_container(ours, resolve=False)
        plain = OmegaConf.to_container(ours, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        why = str(error).splitlines()[0]
        raise UserError(f"{error.full_key}: the configuration does not resolve ({why})") from error
    assert isinstance(plain, dict)
    referred = {key for text in _texts(raw) for key in _REFERENCE.findall(text)}
    return {str(key): value for key, value in plain.items()}, referred


def _texts(value: Any) -> Iterator[str]:
    """Iterate over the texts in plain values, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(item)


def _is_plain(override: Override) -> bool:
    """Return True if the override only gives a key a number, a text, or a list of these."""
    if override.is_sweep_override() or override.package or not override.type or override.type.name != "CHANGE":
        return False
    value = override.value()
    items = value if isinstance(value, list) else [value]
    return all(isinstance(item, _SCALARS) for item in items) and not any(
        isinstance(item, str) and re.search(r"[$\\]|^\?\?\?$", item) for item in items
    )


def _has_place(override: Override, base: Mapping[str, Any], referred: set[str]) -> bool:
    """Return True if the config has a value of this kind under the override's key, from which no other is derived."""
    node: Any = base
    for step in override.key_or_group.split("."):
        if not isinstance(node, Mapping) or step not in node:
            return False
        node = node[step]
    derived = any(key == override.key_or_group or key.startswith(f"{override.key_or_group}.") for key in referred)
    return (
        not derived and not isinstance(node, Mapping) and isinstance(node, list) == isinstance(override.value(), list)
    )


def _copied(value: Any) -> Any:
    """Copy plain values, at any depth; `copy.deepcopy` takes ten times as long."""
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value
