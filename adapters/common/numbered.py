"""Ops that know their place in the trace, so that a framework's own tools can say which call they belong to."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import cycle
from typing import Any


class Numbered:
    """A namespace of ops in which every look-up is the next call of the trace, as `interpreter` looks them up.

    After the last call comes the first one again: a trace may be interpreted more than once.

    Args:
        ops: a function for each op.
        calls: how many calls the trace has.
        mark: makes a context for the call of that number, within which the op runs.
    """

    def __init__(self, ops: Any, calls: int, mark: Callable[[int], AbstractContextManager[Any]]) -> None:
        self._ops = ops
        self._mark = mark
        self._numbers = cycle(range(calls))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        op, number = getattr(self._ops, name), next(self._numbers)

        def marked(*arguments: Any, **attributes: Any) -> Any:
            with self._mark(number):
                return op(*arguments, **attributes)

        return marked
