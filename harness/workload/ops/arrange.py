"""Moving values without arithmetic."""

from __future__ import annotations

import math
from itertools import accumulate

from ..spec import Spec
from .base import (
    Array,
    Arrays,
    Cost,
    Forward,
    Gradients,
    Primitives,
    Specs,
    Unread,
    Wants,
    Work,
    nothing,
    require,
)
from .example import Example, Sizes, example_of


class split(Unread):
    """[..., parts * n] as `parts` arrays [..., n]."""

    caches = False

    def example(self, sizes: Sizes) -> Example:
        return example_of(sizes.sequence, parts=2)

    def shape(self, x: Spec, *, parts: int) -> Specs:
        fits = parts >= 2 and x.shape[-1] % parts == 0
        require(fits, self.name, f"{parts} parts (at least 2) do not divide a width of {x.shape[-1]}")
        return (Spec((*x.shape[:-1], x.shape[-1] // parts)),) * parts

    def forward(self, xp: Primitives, x: Array, *, parts: int) -> Forward:
        return xp.split(x, parts), nothing

    def backward(
        self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants, *, parts: int
    ) -> Gradients:
        return (xp.concatenate(grad),)

    def cost(self, inputs: Specs, outputs: Specs, *, parts: int) -> Cost:
        moved = Work(elements=2 * inputs[0].size)
        return Cost(moved, (moved,))


class concatenate(Unread):
    """Any number of arrays, one behind the other along `axis`; they agree in all other axes."""

    caches = False

    def example(self, sizes: Sizes) -> Example:
        return example_of(sizes.sequence, sizes.sequence, axis=2)

    def shape(self, *arrays: Spec, axis: int) -> Spec:
        rank = len(arrays[0].shape)
        require(0 <= axis < rank, self.name, f"axis {axis} is none of the {rank} axes of {arrays[0].shape}")
        before, after = arrays[0].shape[:axis], arrays[0].shape[axis + 1 :]
        for array in arrays:
            fits = len(array.shape) == rank and (array.shape[:axis], array.shape[axis + 1 :]) == (before, after)
            require(fits, self.name, f"{array.shape} does not fit {arrays[0].shape} along axis {axis}")
        return Spec((*before, sum(array.shape[axis] for array in arrays), *after))

    def forward(self, xp: Primitives, *arrays: Array, axis: int) -> Forward:
        return xp.concatenate(arrays, axis), nothing

    def backward(
        self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants, *, axis: int
    ) -> Gradients:
        ends = list(accumulate(x.shape[axis] for x in inputs))
        return tuple(
            grad[(slice(None),) * axis + (slice(start, end),)] for start, end in zip([0, *ends], ends, strict=False)
        )

    def cost(self, inputs: Specs, outputs: Specs, *, axis: int) -> Cost:
        return Cost(Work(elements=2 * outputs[0].size), tuple(Work(elements=2 * spec.size) for spec in inputs))


class flatten(Unread):
    """An image [batch, height, width, channels] as [batch, height * width * channels], in that order."""

    caches = False

    def example(self, sizes: Sizes) -> Example:
        return example_of(sizes.images)

    def shape(self, x: Spec) -> Spec:
        require(len(x.shape) == 4, self.name, f"the input must be [batch, height, width, channels], got {x.shape}")
        return Spec((x.shape[0], math.prod(x.shape[1:])))

    def forward(self, xp: Primitives, x: Array) -> Forward:
        return xp.reshape(x, (x.shape[0], -1)), nothing

    def backward(self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants) -> Gradients:
        return (xp.reshape(grad, inputs[0].shape),)

    def cost(self, inputs: Specs, outputs: Specs) -> Cost:
        moved = Work(elements=2 * inputs[0].size)
        return Cost(moved, (moved,))
