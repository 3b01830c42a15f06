"""Recommendation model in the style of DLRM (Naumov et al. 2019): lookups, products of pairs, and two perceptrons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .. import draw
from ..draw import Draw
from ..trace import Ops, Param, Value


@dataclass(frozen=True)
class DLRM:
    """Clicks from 13 numbers and `tables` categories. The loss is the cross-entropy of two classes.

    `width` is that of an embedding; both perceptrons have layers of `hidden` and half of it. The published model adds
    up the rows of several ids for each table, where one is looked up here; its gradients of tables are sparse, and
    here dense; and it has one output, with a sigmoid.
    """

    batch: int = 2048
    tables: int = 26
    entries: int = 100_000
    width: int = 64
    hidden: int = 512
    numbers: int = 13

    def batch_arrays(self) -> dict[str, Draw]:
        return {
            "numbers": draw.normal(self.batch, self.numbers),
            **{f"ids{i}": draw.integers(self.batch, high=self.entries) for i in range(1, self.tables + 1)},
            "labels": draw.integers(self.batch, high=2),
        }

    def loss(self, ops: Ops, param: Param, numbers: Value, labels: Value, **ids: Value) -> Value:
        half = (self.hidden + 1) // 2
        x = ops.relu(perceptron(ops, param, "bottom", numbers, (self.hidden, half, self.width)))
        rows = [
            ops.embedding(param(f"table{i}", draw.normal(self.entries, self.width)), ids[f"ids{i}"])
            for i in range(1, self.tables + 1)
        ]
        pairs = ops.dot_interaction(x, *rows)
        return ops.cross_entropy(perceptron(ops, param, "top", pairs, (self.hidden, half, 2)), labels)


def perceptron(ops: Ops, param: Param, name: str, x: Value, widths: Sequence[int]) -> Value:
    """Linear layers of those widths, with rectifiers between them."""
    for i, width in enumerate(widths, start=1):
        x = ops.relu(x) if i > 1 else x
        weight = param(f"{name}.w{i}", draw.he(x.shape[-1], width))
        x = ops.linear(x, weight, param(f"{name}.b{i}", draw.bias(width)))
    return x
