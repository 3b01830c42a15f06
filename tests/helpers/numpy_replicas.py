"""A program of several replicas in NumPy, one after the other, with what may go wrong when gradients are reduced."""

from __future__ import annotations

from typing import Any

import numpy as np

from adapters.common.program import CoreRequest, Plain
from adapters.common.replicas import parts
from adapters.numpy import Program as Numpy
from adapters.replicated import REPLICATED_PHASES
from harness.workload.replicas import share
from harness.workload.workload import Workload

WORKLOAD = Workload.of("mlp", {"batch": 4, "depth": 2, "width": 6})
REPLICAS = 2


class Replicas(Plain):
    """`fault` names what it does wrong.

    unreduced: every replica keeps its own gradients. summed: it has the sum. first: only the first has the mean.
    last: a phase returns what it did before. local: the pass without a reduction reduces. missing: one does not answer.
    """

    phases = REPLICATED_PHASES
    replicas = REPLICAS
    processes: tuple[int, ...] = ()

    def __init__(self, fault: str = "") -> None:
        graph = share(WORKLOAD, REPLICAS).graph
        self._programs = [Numpy(CoreRequest(graph, own)) for own in parts(graph, WORKLOAD.sample(), REPLICAS)]
        self._fault = fault
        self._earlier: dict[str, Any] = {}

    def inference(self) -> Any:
        return np.array([program.inference() for program in self._programs])

    def forward(self) -> Any:
        kept = [program.forward() for program in self._programs]
        return np.array([loss for loss, _ in kept]), kept

    def forward_local(self) -> Any:
        return self.forward()

    def backward(self, pair: Any) -> Any:
        gradients = self._reduced(self._own(pair))
        return self._earlier.setdefault("backward", gradients) if self._fault == "last" else gradients

    def backward_local(self, pair: Any) -> Any:
        own = self._own(pair)
        return self._reduced(own) if self._fault == "local" else own

    def _own(self, pair: Any) -> Any:
        each = [program.backward(kept) for program, kept in zip(self._programs, pair[1], strict=True)]
        return {name: [gradients[name] for gradients in each] for name in each[0]}

    def _reduced(self, own: Any) -> Any:
        if self._fault == "unreduced":
            return own
        scale = REPLICAS if self._fault == "summed" else 1
        reduced = {name: [scale * np.mean(each, axis=0)] * REPLICAS for name, each in own.items()}
        return {name: [reduced[name][0], *own[name][1:]] for name in own} if self._fault == "first" else reduced

    def losses(self, loss: Any) -> list[float]:
        return [float(own) for own in loss]

    def export_each(self, gradients: Any) -> list[dict[str, np.ndarray]]:
        answering = REPLICAS - (self._fault == "missing")
        return [{name: each[number] for name, each in gradients.items()} for number in range(answering)]

    def export(self, gradients: Any) -> dict[str, np.ndarray]:
        return self.export_each(gradients)[0]

    def parameters(self) -> Any:
        return self._programs[0].parameters()

    def residual_bytes(self, pair: Any) -> int:
        return self._programs[0].residual_bytes(pair[1][0])

    def executed(self) -> Any:
        return self._programs[0].executed()

    def reduction(self) -> dict[str, float]:
        return {}
