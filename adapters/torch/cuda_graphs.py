"""Compiled programs that are recorded as CUDA graphs: a call replays its graph, in memory that is the graph's own.

A phase's first call runs without recording, its second records, later ones replay; so all is recorded when a program
is verified. A replay overwrites what the one before returned. That is why each training step, which is what a phase
that takes no other's result begins here, is marked as a good user marks it: without the mark a second forward before
the first one's backward would be recorded as another graph beside it, and with it their residuals are gone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.compiler import cudagraph_mark_step_begin as begin_step
from torch.utils import _pytree as pytree

from ..base import Program
from .compiled import Compiled
from .compiled_manual import CompiledManual


class _Steps(Program):
    """Marks the steps of the program that is the next class."""

    repeatable = False
    _arrays: Mapping[str, Tensor]
    _start: Any

    def inference(self) -> Any:
        begin_step()
        return super().inference()  # type: ignore[safe-super]

    def forward(self) -> tuple[Any, Any]:
        begin_step()
        return super().forward()  # type: ignore[safe-super]

    def gradient(self) -> tuple[Any, Any]:
        begin_step()
        return super().gradient()  # type: ignore[safe-super]

    def tangent(self) -> tuple[Any, Any]:
        begin_step()
        return super().tangent()  # type: ignore[safe-super]

    def spoil(self, result: Any) -> None:
        """All but views of what the program is given, as an op that computes nothing returns them."""
        own = (x for x in pytree.tree_leaves([self._arrays, self._start]) if isinstance(x, Tensor))
        given = {array.untyped_storage().data_ptr() for array in own}
        with torch.no_grad():
            for array in pytree.tree_leaves(result):
                if array.untyped_storage().data_ptr() not in given:
                    array.fill_(math.nan)


class Replayed(_Steps, Compiled):
    """By torch's autograd."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        _stay(self._params.values())
        _stay(self.parameters().values())
        _stay(self._directions.values())


class ReplayedManual(_Steps, CompiledManual):
    """By hand."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        _stay(self._arrays[name] for name in self._graph.params)
        _stay(pytree.tree_leaves(self._start))


def _stay(tensors: Iterable[Tensor]) -> None:
    """Say that arrays stay where they are, as a module's parameters do, so that no call copies them for its graph.

    A batch is copied: a training loop has another one in each step.
    """
    for tensor in tensors:
        torch._dynamo.mark_static_address(tensor, guard=False)
