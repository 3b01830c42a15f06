"""A workload run op by op."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from ..base import AFTER, Executed
from ..common.program import Core, CoreRequest, Plain
from ..profiled import Times
from .autodiff import DifferentiationRule, forward_mode
from .counting import count_eager, observed_ops
from .mixed import wide
from .profiled import check_shown
from .profiled_eager import profiled
from .residuals import Survivors


class OpByOp(Plain):
    """What is the same in all programs that run op by op; `_owned` are the tensors that are there before forward."""

    _owned: Sequence[tf.Tensor]

    def export(self, gradients: Mapping[str, tf.Tensor]) -> dict[str, np.ndarray]:
        return {name: wide(tf.convert_to_tensor(gradient)).numpy() for name, gradient in gradients.items()}

    def residual_bytes(self, kept: Any) -> int:
        """A tape does not show what it holds, so a second forward is watched for the results that outlive it."""
        survivors = Survivors(self._owned)
        with observed_ops(survivors.observe):
            result, held = self.forward()
        size = survivors.bytes(apart_from=result if isinstance(result, tuple) else (result,))
        del held
        return size

    def executed(self) -> dict[str, Executed]:
        counted = {}
        for phase in self.phases:
            given = [getattr(self, AFTER[phase])()] if phase in AFTER else []
            counted[phase] = count_eager(partial(getattr(self, phase), *given))
        return counted


class Eager(OpByOp, Core):
    """A workload of the catalogue run op by op.

    Parameters are plain tensors that a tape watches: to read a variable would be one more op for each use.
    """

    def __init__(self, request: CoreRequest, rule: DifferentiationRule, mixed: bool) -> None:
        super().__init__(request)
        self._owned = list(self._arrays.values())
        self._rule = rule
        self._forward_mode = forward_mode(request.graph, mixed)
        self._names = tuple(request.graph.sources)

    def inference(self) -> Any:
        return self._rule.infer(self._arrays)

    def forward(self) -> tuple[Any, Any]:
        return self._rule.run(self._arrays)

    def backward(self, kept: tuple[Any, Any]) -> dict[str, tf.Tensor]:
        return dict(zip(self._names, self._rule.pull(kept[1]), strict=True))

    def profiled(self, passes: int) -> list[Times]:
        return profiled(check_shown(self._rule, self._arrays), self._graph, self._arrays, passes)

    def tangent(self) -> tuple[Any, Any]:
        return self._forward_mode(self._arrays, self._directions)
