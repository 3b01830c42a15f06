"""Where the catalogue's rules are computed: NumPy, or a framework on its device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np

from . import primitives
from .backprop import run_backward, run_forward
from .ops.base import Array, Primitives
from .trace import Graph

# A graph's result and gradients, of placed arrays: the result is the loss, or a tuple of outputs.
Pass: TypeAlias = Callable[[Mapping[str, Array]], tuple[Any, dict[str, Array]]]
Result: TypeAlias = float | dict[str, np.ndarray]  # a loss, or outputs by the names of their cotangents


class Arithmetic(Protocol):
    """Array primitives in float64 and float32, and the conversion of NumPy arrays to their arrays and back.

    `source` says in a record where a reference was computed. `primitives` are the functions `xp` of the rules.
    """

    source: str
    primitives: Primitives

    def place(self, array: np.ndarray, dtype: type[np.floating]) -> Array:
        """A canonical array as the primitives take it, with floats in `dtype`; it may not change the array itself."""

    def export(self, array: Array) -> np.ndarray:
        """An array of the primitives in NumPy, in its own precision."""

    def run(self, both: Pass, placed: Mapping[str, Array]) -> tuple[Any, dict[str, Array]]:
        """What `both` returns for the arrays, compiled where that is quicker."""


class NumPyArithmetic:
    """NumPy, in which the oracle is computed."""

    source = "oracle (NumPy, float64)"
    primitives: Primitives = primitives

    def place(self, array: np.ndarray, dtype: type[np.floating]) -> Array:
        return array.astype(dtype) if array.dtype.kind == "f" else array

    def export(self, array: Array) -> np.ndarray:
        return np.asarray(array)

    def run(self, both: Pass, placed: Mapping[str, Array]) -> tuple[Any, dict[str, Array]]:
        return both(placed)


NUMPY = NumPyArithmetic()


def answer(
    graph: Graph, arrays: Mapping[str, np.ndarray], dtype: type[np.floating], arithmetic: Arithmetic = NUMPY
) -> tuple[Result, dict[str, np.ndarray]]:
    """The result of `graph` and its gradients in one precision, by the catalogue's rules."""
    xp = arithmetic.primitives
    one = arithmetic.place(np.ones((), dtype), dtype)

    def both(placed: Mapping[str, Array]) -> tuple[Any, dict[str, Array]]:
        result, steps = run_forward(xp, graph, placed)
        return result, run_backward(xp, graph, steps, graph.start(placed, one))

    placed = {name: arithmetic.place(array, dtype) for name, array in arrays.items()}
    result, gradients = arithmetic.run(both, placed)
    exported = {name: arithmetic.export(gradient) for name, gradient in gradients.items()}
    if not graph.cotangents:
        return float(result), exported
    return {name: arithmetic.export(y) for name, y in zip(graph.cotangents, result, strict=True)}, exported
