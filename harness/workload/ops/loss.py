"""Losses: the scalar from which every gradient starts."""

from __future__ import annotations

import math

from .base import Cost, Spec, Unread, Work, require


class cross_entropy(Unread):
    """Mean of -log softmax(logits)[label] over all rows; logits [..., classes], labels [...]."""

    def shape(self, logits, labels):
        require(labels.kind == "int", self.name, "labels must be integers")
        require(labels.shape == logits.shape[:-1], self.name, f"labels {labels.shape} do not fit {logits.shape}")
        return Spec(())

    def forward(self, xp, logits, labels):
        log_softmax = xp.log_softmax(logits)
        picked = xp.pick(log_softmax, labels)
        rows = math.prod(labels.shape)

        def local():
            return ((xp.exp(log_softmax) - xp.one_hot(labels, logits.shape[-1], logits)) / rows,)

        return -xp.mean(picked), local

    def backward(self, xp, grad, local, inputs, wants):
        return grad * local[0], None

    def cost(self, inputs, outputs):
        n = inputs[0].size
        return Cost(Work(elements=n), (Work(elements=2 * n), Work()))


class mse(Unread):
    """Mean square error: mean of (a - b)² over all elements of two arrays of one shape."""

    def shape(self, a, b):
        require(a.kind == b.kind == "float", self.name, "both arrays must be floats")
        require(a.shape == b.shape, self.name, f"{a.shape} and {b.shape} differ")
        return Spec(())

    def forward(self, xp, a, b):
        difference = a - b
        return xp.mean(difference * difference), lambda: (2 * difference / math.prod(a.shape),)

    def backward(self, xp, grad, local, inputs, wants):
        slope = grad * local[0]
        return (slope if wants[0] else None), (-slope if wants[1] else None)

    def cost(self, inputs, outputs):
        n = inputs[0].size
        return Cost(Work(elements=2 * n), (Work(elements=3 * n), Work(elements=2 * n)))
