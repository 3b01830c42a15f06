"""A device whose work is what `run` is told. `FAKE_CUPTI` names the function that fails.

`blind` is a device that shows nothing of what it does.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

if os.environ.get("FAKE_CUPTI") == "import":
    raise ImportError("libcupti.so.13: cannot open shared object file")


class ActivityKind(enum.IntEnum):
    MEMCPY, MEMSET, CONCURRENT_KERNEL = 1, 2, 10


class cuptiError(Exception):
    pass


_enabled: set[int] = set()
_callbacks: list[Callable[[list[SimpleNamespace]], None]] = []
_buffer: list[SimpleNamespace] = []


def _may_fail(name: str) -> None:
    if os.environ.get("FAKE_CUPTI") == name:
        raise cuptiError("CUPTI_ERROR_INSUFFICIENT_PRIVILEGES")


def run(kind: Any, start_s: Any, end_s: Any) -> None:
    """Do some work on the device, by its own clock."""
    if kind in _enabled and os.environ.get("FAKE_CUPTI") != "blind":
        _buffer.append(SimpleNamespace(kind=int(kind), start=int(1e9 * start_s), end=int(1e9 * end_s)))


def activity_register_callbacks(requested: Any, completed: Any) -> None:
    _may_fail("activity_register_callbacks")
    assert requested()[0] > 0
    _callbacks[:] = [completed]


def activity_enable(kind: Any) -> None:
    if kind == ActivityKind.MEMSET:  # the last one: those before it have to be switched off again
        _may_fail("activity_enable")
    _enabled.add(kind)


def activity_disable(kind: Any) -> None:
    _may_fail("activity_disable")
    _enabled.discard(kind)


def activity_flush_all(flag: Any) -> None:
    _may_fail("activity_flush_all")
    activities, _buffer[:] = list(_buffer), []
    _callbacks[0](activities)
