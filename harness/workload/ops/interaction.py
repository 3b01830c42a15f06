"""Products between features, as recommendation models take them."""

from __future__ import annotations

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
    elements,
    require,
)
from .example import Example, Sizes, example_of


class dot_interaction(Unread):
    """Scalar products of every two of n vectors [batch, d], after the first vector (Naumov et al. 2019, DLRM).

    The result is [batch, d + n (n - 1) / 2]: pairs (i, j) with i > j, in the order of i, then j.
    """

    def example(self, sizes: Sizes) -> Example:
        return example_of(*[sizes.rows] * max(sizes.tokens, 2))

    def shape(self, *vectors: Spec) -> Spec:
        first = vectors[0]
        require(len(vectors) >= 2, self.name, f"there must be at least 2 vectors, got {len(vectors)}")
        require(len(first.shape) == 2, self.name, f"the vectors must be [batch, width], got {first.shape}")
        for other in vectors:
            require(other.shape == first.shape, self.name, f"{other.shape} does not fit {first.shape}")
        return Spec((first.shape[0], first.shape[1] + len(vectors) * (len(vectors) - 1) // 2))

    def forward(self, xp: Primitives, *vectors: Array) -> Forward:
        x = xp.stack(vectors, 1)
        products = xp.matmul(x, xp.transpose(x, (0, 2, 1)))
        return xp.concatenate((vectors[0], xp.below_diagonal(products))), lambda: (x,)

    def backward(self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants) -> Gradients:
        (x,) = local
        width = inputs[0].shape[1]
        products = xp.from_below_diagonal(grad[:, width:], len(inputs))
        dx = xp.matmul(products, x) + xp.matmul(xp.transpose(products, (0, 2, 1)), x)
        return dx[:, 0] + grad[:, :width], *(dx[:, i] for i in range(1, len(inputs)))

    def cost(self, inputs: Specs, outputs: Specs) -> Cost:
        batch, width = inputs[0].shape
        n = len(inputs)
        product = Work(1, 2 * batch * n * n * width, elements(*inputs) + batch * n * n)
        # Both products of the backward pass are for all vectors together; they are counted with the first.
        gathered = Work(elements=elements(*inputs, *outputs))
        gradients = (product + product + gathered, *([Work()] * (n - 1)))
        return Cost(product + Work(elements=elements(*outputs)), gradients, local=Work())
