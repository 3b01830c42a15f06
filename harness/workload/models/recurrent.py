"""Recurrent language models (Zaremba et al. 2014): LSTM and GRU layers between an embedding and a linear layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .. import draw
from ..draw import Draw
from ..spec import WorkloadError
from ..trace import Ops, Param, Value

LOOPS = ("native", "unrolled")


@dataclass(frozen=True)
class _Recurrent:
    """The defaults are the published medium size, about 20 million parameters.

    The dropout around layers, by half, with which that size was published, is left out. GRU layers are not in that
    paper; these reset after the product, as cuDNN's do, and those of Cho et al. 2014 before. The state before each
    sequence is data, as in training that carries it over. `loop` is `native`: each framework's own loop over the
    tokens; or `unrolled`: a cell for each token, as separate ops.
    """

    op: ClassVar[str]
    gates: ClassVar[int]
    states: ClassVar[tuple[str, ...]]
    biases: ClassVar[tuple[str, ...]]

    batch: int = 20
    tokens: int = 35
    layers: int = 2
    width: int = 650
    vocabulary: int = 10_000
    loop: str = "native"

    def __post_init__(self) -> None:
        if self.loop not in LOOPS:
            raise WorkloadError(f"{self.op}: model.loop={self.loop!r} is none of {', '.join(LOOPS)}")
        if self.loop == "unrolled" and self.tokens < 2:
            raise WorkloadError(f"{self.op}: model.tokens={self.tokens} leaves nothing to unroll; choose at least 2")

    def batch_arrays(self) -> dict[str, Draw]:
        sequence = self.batch, self.tokens
        states = [f"layer{i}.{state}" for i in range(1, self.layers + 1) for state in self.states]
        return {
            "ids": draw.integers(*sequence, high=self.vocabulary),
            "labels": draw.integers(*sequence, high=self.vocabulary),
            **{name: draw.normal(self.batch, self.width, std=0.5) for name in states},
        }

    def loss(self, ops: Ops, param: Param, ids: Value, labels: Value, **states: Value) -> Value:
        x = ops.embedding(param("table", draw.normal(self.vocabulary, self.width)), ids)
        for name in (f"layer{i}" for i in range(1, self.layers + 1)):
            x = self.layer(ops, param, name, x, [states[f"{name}.{state}"] for state in self.states])
        weight = param("head.w", draw.lecun(self.width, self.vocabulary))
        return ops.cross_entropy(ops.linear(x, weight, param("head.b", draw.bias(self.vocabulary))), labels)

    def layer(self, ops: Ops, param: Param, name: str, x: Value, states: list[Value]) -> Value:
        gates = self.gates * self.width
        weights = [
            *(param(f"{name}.{matrix}", draw.lecun(self.width, gates)) for matrix in ("w", "u")),
            *(param(f"{name}.{bias}", draw.bias(gates)) for bias in self.biases),
        ]
        if self.loop == "native":
            return getattr(ops, self.op)(x, *states, *weights)
        outputs = []
        for token in ops.unstack_tokens(x):
            after = getattr(ops, f"{self.op}_cell")(token, *states, *weights)
            states = list(after) if isinstance(after, tuple) else [after]
            outputs.append(states[0])
        return ops.stack_tokens(*outputs)


@dataclass(frozen=True)
class LSTM(_Recurrent):
    __doc__ = _Recurrent.__doc__
    op, gates, states, biases = "lstm", 4, ("h", "c"), ("b",)


@dataclass(frozen=True)
class GRU(_Recurrent):
    __doc__ = _Recurrent.__doc__
    op, gates, states, biases = "gru", 3, ("h",), ("b", "d")
