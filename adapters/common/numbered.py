"""Ops that know their place in the trace, so that a framework's own tools can say which call they belong to."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import cycle
from typing import Any

Op = Callable[..., Any]


class Numbered:
    """A namespace of ops in which every look-up is the next call of the trace, as `interpreter` looks them up.

    After the last call comes the first one again: a trace may be interpreted more than once.

    Args:
        ops: a function for each op.
        calls: how many calls the trace has.
        wrap: makes the op of the call of a number, from that number and the op.
    """

    def __init__(self, ops: Any, calls: int, wrap: Callable[[int, Op], Op]) -> None:
        self._ops = ops
        self._wrap = wrap
        self._numbers = cycle(range(calls))

    def __getattr__(self, name: str) -> Op:
        return self._wrap(next(self._numbers), getattr(self._ops, name))


def within(context: Callable[[int], AbstractContextManager[Any]]) -> Callable[[int, Op], Op]:
    """Wrap each op so that it runs within the context of its number."""

    def wrap(number: int, op: Op) -> Op:
        def marked(*arguments: Any, **attributes: Any) -> Any:
            with context(number):
                return op(*arguments, **attributes)

        return marked

    return wrap
