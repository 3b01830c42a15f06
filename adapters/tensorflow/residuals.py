"""Finds what a tape keeps, from outside: the results of ops that something still holds."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from .counting import VIEWS

_OWNED = 0
_READS = ("ReadVariableOp",)  # results are the variable's own memory


class Survivors:
    """Watches ops (`observe`) and knows the memory of those results that are still alive (`bytes`)."""

    def __init__(self, owned: Sequence[tf.Tensor]) -> None:
        """`owned` are tensors that would be there anyway; they and their views do not count."""
        self._sizes: list[int] = [0]
        # By id, with the buffer's number in `_sizes`; the reference tells whether the id still means that tensor.
        self._known = {id(tensor): (weakref.ref(tensor), _OWNED) for tensor in owned}

    def observe(self, kind: str, attributes: Any, inputs: Sequence[Any], results: Sequence[Any]) -> None:
        for result in results:
            buffer = self._buffer(inputs[0]) if kind in VIEWS else _OWNED if kind in _READS else None
            if buffer is None:
                buffer = len(self._sizes)
                self._sizes.append(result.dtype.size * result.shape.num_elements())
            self._known[id(result)] = weakref.ref(result), buffer

    def bytes(self, apart_from: Sequence[tf.Tensor]) -> int:
        """Memory of the results alive now, each buffer once, without that of some tensors."""
        alive = {buffer for tensor, buffer in self._known.values() if tensor() is not None}
        return sum(self._sizes[buffer] for buffer in alive - {self._buffer(tensor) for tensor in apart_from})

    def _buffer(self, tensor: Any) -> int | None:
        reference, buffer = self._known.get(id(tensor), (None, None))
        return buffer if reference is not None and reference() is tensor else None
