"""Says which keys there are where an override names none of them."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from ..paths import ROOT


def no_such_key(typed: str, key: str, config: Mapping[str, Any]) -> str:
    """Write one sentence about an override whose key does not exist, as the key above it and its own name tell.

    Args:
        typed: the override.
        key: its key, such as `model.depth`.
        config: the plain config that the other overrides compose.
    """
    if key == "framework":
        options = sorted(path.stem for path in (ROOT / "conf" / "variants").glob("*.yaml"))
        return f"{typed}: a framework is chosen by its variants; choose variants= one of {', '.join(options)}"
    if (own := _holder(f"{key}.", config))[0] == key:  # a mapping was typed
        return f"{typed}: has an entry that {key} has not; there are {', '.join(own[1])}"
    holder, siblings = _holder(key, config)
    of_model = f" of {config['model'].get('name')}" if holder == "model" else ""
    meant = _meant(key, siblings, config)
    hint = f"; did you mean {' or '.join(meant)}?" if meant else ""
    prefix = f"{holder}." if holder else ""
    return f"{key}: no such key{of_model}; there are {', '.join(f'{prefix}{name}' for name in siblings)}{hint}"


def _holder(key: str, config: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Return the longest part of a key that is a mapping of the config, and the keys that it has."""
    node: Any = config
    path: list[str] = []
    for step in key.split(".")[:-1]:
        if not (isinstance(node, Mapping) and isinstance(node.get(step), Mapping)):
            break
        node = node[step]
        path.append(step)
    return ".".join(path), [str(name) for name in node if not (path == ["model"] and name == "name")]


def _meant(key: str, siblings: list[str], config: Mapping[str, Any]) -> list[str]:
    """List keys that have the same last name, or else those beside it that look alike."""
    holder, _, name = key.rpartition(".")
    same = [other for other in _keys(config) if other.rpartition(".")[2] == name]
    alike = difflib.get_close_matches(name, siblings, n=2, cutoff=0.7)
    return same[:2] or [f"{holder}.{other}" if holder else other for other in alike]


def _keys(config: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Iterate over the keys of a config, at any depth."""
    for name, value in config.items():
        yield f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from _keys(value, f"{prefix}{name}.")
