"""The vanilla network of the question (https://ai.stackexchange.com/questions/38085): a = relu(W x + b), layered."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from .. import draw
from ..draw import Draw
from ..trace import Ops, Param, Value
from .layers.lora import adapted, frozen_unless
from .layers.sizes import newer


@dataclass(frozen=True)
class MLP:
    """A classifier of `depth` linear layers, with a rectifier between each two.

    All layers are `width` wide, inputs and classes too unless they are given: then forward has exactly
    `depth` equal multiplies and backward 2 depth - 1. With `lora`, only matrices of that rank beside each layer are
    trained.
    """

    batch: int = 256
    depth: int = 6
    width: int = 512
    inputs: int | None = None
    classes: int | None = None
    lora: int | None = newer(None)

    def batch_arrays(self) -> dict[str, Draw]:
        return {
            "x": draw.normal(self.batch, self.inputs or self.width),
            "labels": draw.integers(self.batch, high=self.classes or self.width),
        }

    def loss(self, ops: Ops, param: Param, x: Value, labels: Value) -> Value:
        param = frozen_unless(self.lora, param)
        widths = [self.inputs or self.width, *[self.width] * (self.depth - 1), self.classes or self.width]
        for i, (fan_in, fan_out) in enumerate(pairwise(widths), start=1):
            last = i == self.depth
            weight = param(f"w{i}", (draw.lecun if last else draw.he)(fan_in, fan_out))
            with ops.block(f"layer{i}"):
                y = ops.linear(x, weight, param(f"b{i}", draw.bias(fan_out)))
                y = adapted(ops, param, f"layer{i}", x, y, self.lora)
                x = y if last else ops.relu(y)
        return ops.cross_entropy(x, labels)
