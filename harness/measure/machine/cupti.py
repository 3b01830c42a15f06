"""Records the device's own work (kernels, copies and memsets) through NVIDIA's profiling interface, CUPTI.

For the worker only. The package cupti-python is optional, and loaded when a recording begins.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, NamedTuple

_BUFFER_BYTES = 8 * 2**20  # some 40,000 kernels; CUPTI asks for another when one is full
_FORCED = 1  # flush the records of unfinished work as well
_COPIES = ("MEMCPY", "MEMSET")
_KINDS = ("CONCURRENT_KERNEL", *_COPIES)


class Unavailable(Exception):
    """Raised where CUPTI cannot be used. The message is one sentence, without a full stop, that says why."""


class Span(NamedTuple):
    """One kernel, copy or memset: when it started and ended by the device's clock, and whether it is a kernel."""

    start_ns: int
    end_ns: int
    is_kernel: bool


class Recording:
    """Records what the device does while the context lasts. A call takes several times as long meanwhile.

    Every method raises Unavailable where CUPTI fails.
    """

    def __init__(self) -> None:
        self._spans: list[Span] = []
        try:
            self._cupti: Any = importlib.import_module("cupti.cupti")
        except ModuleNotFoundError as error:
            raise Unavailable(f"cupti-python is not installed (no module {error.name!r})") from error
        except Exception as error:  # it finds no library of CUPTI, or one of another version
            raise Unavailable(f"cupti-python could not be loaded ({_sentence(error)})") from error

    def __enter__(self) -> Recording:
        try:
            self._call(self._cupti.activity_register_callbacks, lambda: (_BUFFER_BYTES, 0), self._completed)
            for kind in self._kinds():
                self._call(self._cupti.activity_enable, kind)
        except Unavailable:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for activity in self._kinds():
            with contextlib.suppress(Exception):  # the other kinds are switched off all the same
                self._cupti.activity_disable(activity)

    def take(self) -> list[Span]:
        """Return what was recorded since the last call. The caller has waited until the device is done."""
        self._call(self._cupti.activity_flush_all, _FORCED)
        spans, self._spans = self._spans, []
        return spans

    def _kinds(self) -> list[Any]:
        return [getattr(self._cupti.ActivityKind, name) for name in _KINDS]

    def _completed(self, activities: Iterable[Any]) -> None:
        """Keep the spans of a full buffer. Spans without times belong to work that was cut off."""
        copies = [getattr(self._cupti.ActivityKind, name) for name in _COPIES]
        for activity in activities:
            if activity.end > activity.start:
                self._spans.append(Span(activity.start, activity.end, activity.kind not in copies))

    @staticmethod
    def _call(function: Callable[..., Any], *arguments: Any) -> None:
        """Call a function of CUPTI. Raises Unavailable if it fails."""
        try:
            function(*arguments)
        except Exception as error:
            raise Unavailable(f"CUPTI failed ({_sentence(error)})") from error


def busy_s(spans: Iterable[Span]) -> float:
    """Compute the seconds in which the device worked: the union of the spans, since kernels may overlap."""
    total_ns = done_ns = 0
    for span in sorted(spans):
        total_ns += max(0, span.end_ns - max(span.start_ns, done_ns))
        done_ns = max(done_ns, span.end_ns)
    return total_ns / 1e9


def _sentence(error: Exception) -> str:
    """Shorten an exception to one line."""
    lines = f"{type(error).__name__}: {error}".strip().splitlines()
    return lines[0][:200]
