"""A user's own torch model under torch.compile, as a training loop would compile its loss."""

from __future__ import annotations

import copy
from typing import Any

from ..base import Executed, Unsupported
from ..common.own_ops import op_times
from ..profiled import OpTimes
from . import modes
from .counting import total
from .executable import Inductor, compile_once
from .own import BuiltModel, Own
from .own_ops import NumberedInductor


class OwnCompiled(Own):
    """One graph for inference, and one that records a gradient; `gradient` is that pair, as in a training loop.

    All of torch's guards are checked in each call, since they are a part of what compiled code of one's own costs.
    """

    def __init__(self, built_model: BuiltModel, mode: str) -> None:
        super().__init__(built_model)
        if mode in modes.RECORDS:
            raise Unsupported(f"torch: mode={mode} is not measured for a model of your own; choose native or autotune")
        loss = built_model.loss

        def infer(parameters: Any, batch: Any) -> Any:
            return loss(parameters, batch)

        def record(parameters: Any, batch: Any) -> Any:
            return loss(parameters, batch)

        self._record, self._options = record, modes.options(mode)
        self._of_inference, self._of_pair = Inductor(False, self._options), Inductor(False, self._options)
        self._infer = compile_once(infer, self._of_inference, guards=None)
        self._loss = compile_once(record, self._of_pair, guards=None)

    def executed(self) -> dict[str, Executed]:
        pair = self._of_pair.executed
        forward, backward = pair["forward"], pair["backward"]
        return {
            "inference": self._of_inference.executed["forward"],
            "forward": forward,
            "backward": backward,
            "gradient": total(forward, backward),
        }

    def profiled_ops(self, passes: int) -> list[list[OpTimes]]:
        inductor = NumberedInductor(self._options, self._parameters)
        numbered = copy.copy(self)
        numbered._loss = compile_once(self._record, inductor, guards=None)
        runs = inductor.profiled(numbered.forward, numbered.backward, self._wanted[0].device, passes)
        return [op_times(inductor.calls, ran) for ran in runs]
