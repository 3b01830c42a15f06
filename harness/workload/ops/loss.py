"""Losses: the scalar from which every gradient starts."""

from __future__ import annotations

import math

from .. import draw
from ..spec import Spec
from .base import Array, Arrays, Cost, Forward, Gradients, Primitives, Specs, Unread, Wants, Work, require
from .example import Example, Sizes, example_of


class cross_entropy(Unread):
    """Mean of -log softmax(logits)[label] over all rows; logits [..., classes], labels [...]."""

    def example(self, sizes: Sizes) -> Example:
        logits = draw.normal(sizes.batch, sizes.tokens, sizes.entries)
        return Example({"x": logits, "labels": sizes.ids})

    def shape(self, logits: Spec, labels: Spec) -> Spec:
        require(labels.kind == "int", self.name, "labels must be integers")
        require(labels.shape == logits.shape[:-1], self.name, f"labels {labels.shape} do not fit {logits.shape}")
        return Spec(())

    def forward(self, xp: Primitives, logits: Array, labels: Array) -> Forward:
        log_softmax = xp.log_softmax(logits)
        picked = xp.pick(log_softmax, labels)
        rows = math.prod(labels.shape)

        def local() -> Arrays:
            return ((xp.exp(log_softmax) - xp.one_hot(labels, logits.shape[-1], logits)) / rows,)

        return -xp.mean(picked), local

    def backward(self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants) -> Gradients:
        return grad * local[0], None

    def cost(self, inputs: Specs, outputs: Specs) -> Cost:
        n = inputs[0].size
        return Cost(Work(elements=n), (Work(elements=2 * n), Work()))


class mse(Unread):
    """Mean square error: mean of (a - b)² over all elements of two arrays of one shape."""

    def example(self, sizes: Sizes) -> Example:
        return example_of(sizes.sequence, sizes.sequence)

    def shape(self, a: Spec, b: Spec) -> Spec:
        require({a.kind, b.kind} <= {"float", "constant"}, self.name, "both arrays must be floats")
        require(a.shape == b.shape, self.name, f"{a.shape} and {b.shape} differ")
        return Spec(())

    def forward(self, xp: Primitives, a: Array, b: Array) -> Forward:
        difference = a - b
        return xp.mean(difference * difference), lambda: (2 * difference / math.prod(a.shape),)

    def backward(self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants) -> Gradients:
        slope = grad * local[0]
        return (slope if wants[0] else None), (-slope if wants[1] else None)

    def cost(self, inputs: Specs, outputs: Specs) -> Cost:
        n = inputs[0].size
        return Cost(Work(elements=2 * n), (Work(elements=3 * n), Work(elements=2 * n)))
