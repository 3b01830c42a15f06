"""Counts the operations on single elements that a catalogue rule performs, by running it on arrays that count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import primitives
from .ops import CATALOGUE, Array, Spec

# Counted as FLOPs (`cost.py`), not here.
_MULTIPLIES = frozenset({"matmul", "conv2d", "conv2d_dx", "conv2d_dw"})

# One function of one element each, which NumPy computes in several steps, or one by one.
_SINGLE = frozenset({"erf", "rsqrt"})


@dataclass(frozen=True)
class Operations:
    """How many operations on single elements the forward pass of one op takes, and its backward pass.

    One operation is one function of one element, or of one pair of them, whatever a processor takes for it: add,
    subtract, multiply, divide, negate, compare (a step is one), select, the larger or smaller of two, logical and,
    or, not, exp, log, tanh, erf, square root, reciprocal square root. A sum or a maximum of n numbers is n - 1, a
    mean n. Nothing else counts: not matrix multiplies and convolutions, whose FLOPs are counted apart, no moving,
    copying, looking up or conversion of values, nor arithmetic on an op's attributes alone, which is done once.
    A primitive (softmax, a pool) takes what NumPy's in `primitives.py` takes.

    `backward` has the local gradient in it, whichever pass computes that, and the sum where an input was broadcast.
    """

    forward: int
    backward: int


def count(op: str, inputs: Sequence[Spec], wants: Sequence[bool], **attrs: Any) -> Operations:
    """Operations of `op` on inputs of these shapes, with the gradients of those that `wants` says.

    The rules are run once, in float64, on arrays whose values do not matter: no rule branches on a value.
    """
    xp = _Counting()
    arrays = tuple(xp.counted(_filled(spec)) for spec in inputs)
    output, local = CATALOGUE[op].forward(xp, *arrays, **attrs)
    forward = xp.harvest()
    grad = tuple(map(np.ones_like, output)) if isinstance(output, tuple) else np.ones_like(output)
    CATALOGUE[op].backward(xp, grad, local(), arrays, wants, **attrs)
    return Operations(forward, xp.harvest())


def _filled(spec: Spec) -> np.ndarray:
    """Ones, or true, or the index 0, which every table has."""
    if spec.kind == "int":
        return np.zeros(spec.shape, np.int32)
    return np.ones(spec.shape, np.bool_ if spec.kind == "bool" else np.float64)


class _Counting:
    """NumPy's primitives over arrays that count."""

    def __init__(self) -> None:
        self.seen = 0

    def harvest(self) -> int:
        """What was seen since the last call."""
        found, self.seen = self.seen, 0
        return found

    def counted(self, value: Any) -> Any:
        """An array, or a tuple of arrays, as arrays that count."""
        if isinstance(value, tuple | list):
            return tuple(map(self.counted, value))
        array = np.asarray(value).view(_Counted)
        array.counter = self
        return array

    def __getattr__(self, name: str) -> Callable[..., Array]:
        primitive = getattr(primitives, name)

        def call(*arguments: Any, **keywords: Any) -> Array:
            if name not in _MULTIPLIES | _SINGLE:
                return self.counted(primitive(*arguments, **keywords))
            result = primitive(*map(_plain, arguments), **keywords)
            self.seen += result.size if name in _SINGLE else 0
            return self.counted(result)

        return call


class _Counted(np.ndarray):
    """An array that tells its counter of every operation on its elements. What NumPy derives from it counts as well."""

    counter: _Counting

    def __array_finalize__(self, parent: Any) -> None:
        if isinstance(parent, _Counted):
            self.counter = parent.counter

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        if "out" in keywords:
            keywords["out"] = tuple(map(_plain, keywords["out"]))
        operands = tuple(map(_plain, inputs))
        result = getattr(ufunc, method)(*operands, **keywords)
        if method == "__call__":
            self.counter.seen += result.size
        elif method == "reduce":
            self.counter.seen += operands[0].size - result.size
        elif method == "at":
            self.counter.seen += np.size(operands[2])
            return None
        else:
            return NotImplemented
        return self.counter.counted(result)

    def __array_function__(self, function: Callable[..., Any], types: Any, arguments: Any, keywords: Any) -> Any:
        result = super().__array_function__(function, types, arguments, keywords)
        if function is np.where:
            self.counter.seen += result.size
        return self.counter.counted(result) if isinstance(result, np.ndarray | tuple | list) else result


def _plain(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, _Counted) else value
