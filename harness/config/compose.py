"""Composes the configs of many jobs. Hydra takes 0.1 s for one; jobs that differ in plain values share its work.

Of `model=mlp model.depth=2` and `model=mlp model.depth=4`, Hydra composes `model=mlp` once, and this puts each depth
into a copy. It does so only where Hydra would do no more: the key is there already, belongs to no config group, and no
other value refers to it (`${model.depth}`). Everything else is left to Hydra, and so is every mistake.
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
_NOTHING = object()
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
        base, values = self._split(overrides)
        config: dict[str, Any] = _copied(base)
        for override in values:
            _put(override, config)
        return config

    def _split(self, overrides: Overrides) -> tuple[dict[str, Any], list[Override]]:
        """Return what Hydra composes, and the overrides whose values are still to be put into a copy of it.

        An override that has no place in what the others compose is given to Hydra with them, and the rest is tried
        again: it may have added a key, or a reference to one. What chooses from a group, such as a study, goes first.
        """
        values = {override: parsed for override in overrides if _is_plain(parsed := self.parse(override))}
        while True:
            base, referenced = self._base(tuple(override for override in overrides if override not in values))
            placeless = [text for text, parsed in values.items() if not _has_place(parsed, base, referenced)]
            if not placeless:
                return base, list(values.values())
            choosing = [text for text in placeless if isinstance(_at(values[text].key_or_group, base), Mapping)]
            for override in choosing or placeless:
                del values[override]

    def _base(self, overrides: Overrides) -> tuple[dict[str, Any], set[str]]:
        """Have Hydra compose plain values, and list the keys that other values refer to."""
        if overrides not in self._bases:
            self._bases[overrides] = resolved(self.compose(overrides))
        return self._bases[overrides]


def resolved(config: DictConfig) -> tuple[dict[str, Any], set[str]]:
    """Resolve a config, without the part that is Hydra's own, into plain values. Raises UserError.

    Returns these, and the keys that other values refer to.
    """
    try:
        ours = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
        raw = OmegaConf.to_container(ours, resolve=False)
        plain = OmegaConf.to_container(ours, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        why = str(error).splitlines()[0]
        raise UserError(f"{error.full_key}: the configuration does not resolve ({why})") from error
    assert isinstance(plain, dict)
    referenced = {key for text in _texts(raw) for key in _REFERENCE.findall(text)}
    return {str(key): value for key, value in plain.items()}, referenced


def _texts(value: Any) -> Iterator[str]:
    """Iterate over the texts in plain values, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(item)


def _is_plain(override: Override) -> bool:
    """Return True if the override only gives a key a number, a text without a reference, or a list of these."""
    if override.is_sweep_override() or override.package or not override.type or override.type.name != "CHANGE":
        return False
    value = override.value()
    items = value if isinstance(value, list) else [value]
    return all(isinstance(item, _SCALARS) for item in items) and not any(
        isinstance(item, str) and re.search(r"[$\\]|^\?\?\?$", item) for item in items
    )


def _has_place(override: Override, base: Mapping[str, Any], referenced: set[str]) -> bool:
    """Return True if there is a value under the override's key, a list for a list, that no other value refers to."""
    key = override.key_or_group
    node = _at(key, base)
    if node is _NOTHING or isinstance(node, Mapping) or isinstance(node, list) != isinstance(override.value(), list):
        return False
    return not any(other == key or other.startswith(f"{key}.") for other in referenced)


def _at(key: str, node: Any) -> Any:
    """Return what stands under a key with dots; `_NOTHING` if nothing does."""
    for step in key.split("."):
        if not isinstance(node, Mapping) or step not in node:
            return _NOTHING
        node = node[step]
    return node


def _put(override: Override, config: dict[str, Any]) -> None:
    """Put an override's value in its place."""
    *path, name = override.key_or_group.split(".")
    for step in path:
        config = config[step]
    config[name] = copy.copy(override.value())


def _copied(value: Any) -> Any:
    """Copy plain values, at any depth; `copy.deepcopy` takes ten times as long."""
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value
