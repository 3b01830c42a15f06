"""The order in which groups of tests are handed out: what waits beside what computes, and what is short at the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

# The rooms whose tests take longest, longest first. Some compute; some wait, for a process, a lock or a server.
COMPUTING = ("adapters", "examples", "own", "identity", "workload", "config", "", "explain")
WAITING = ("sweep", "views", "measure", "cluster", "gpu_check", "selfcheck", "claims", "helpers", "bench")


def spread(items: list[pytest.Item]) -> None:
    """Sort tests in place: group by group, the groups that wait evenly among those that compute, short ones last."""
    groups: dict[str, list[pytest.Item]] = {}
    for item in items:
        groups.setdefault(_group(item), []).append(item)
    rooms = {name: _room(tests[0]) for name, tests in groups.items()}
    positions: dict[str, float] = {}
    for listed in (COMPUTING, WAITING):
        names = sorted((name for name in groups if rooms[name] in listed), key=lambda name: listed.index(rooms[name]))
        positions |= _evenly(names)
    items[:] = [item for name in sorted(groups, key=lambda name: positions.get(name, 1)) for item in groups[name]]


def _evenly(names: Sequence[str]) -> dict[str, float]:
    """Positions between 0 and 1, in order and with equal gaps."""
    return {name: (number + 0.5) / len(names) for number, name in enumerate(names)}


def _group(item: pytest.Item) -> str:
    marker = item.get_closest_marker("xdist_group")
    assert marker is not None, item.nodeid
    return str(marker.args[0])


def _room(item: pytest.Item) -> str:
    """The folder of `tests/` that a test stands in; empty if it is in none."""
    return item.path.relative_to(TESTS).parts[0] if item.path.parent != TESTS and TESTS in item.path.parents else ""
