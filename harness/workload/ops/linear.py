"""Matrix multiplies, where the factor of two comes from: one multiply forward, one for dX and one for dW."""

from __future__ import annotations

from collections.abc import Sequence

from .. import draw
from ..spec import Spec
from .base import (
    Array,
    Arrays,
    Cost,
    Forward,
    Gradients,
    Op,
    Primitives,
    Product,
    Specs,
    Wants,
    Work,
    elements,
    nothing,
    require,
)
from .example import Example, Sizes


def _rows(xp: Primitives, x: Array) -> Array:
    """[..., n] as [rows, n]."""
    return xp.reshape(x, (-1, x.shape[-1]))


def _multiply(rows: int, inner: int, columns: int) -> Work:
    """One product of [rows, inner] and [inner, columns]: 2 operations per multiply-add."""
    return Work(
        matmuls=1,
        flops=2 * rows * inner * columns,
        elements=rows * inner + inner * columns + rows * columns,
    )


class linear(Op):
    """y = x w + b, with x [..., in], w [in, out], and b [out] or nothing."""

    caches = False

    weights = (1, 2)
    matrices = (1,)
    bias_position = 2

    def example(self, sizes: Sizes) -> Example:
        weight = draw.lecun(sizes.width, sizes.width)
        return Example({"x": sizes.sequence, "w": weight, "b": draw.bias(sizes.width)})

    def shape(self, x: Spec, w: Spec, b: Spec | None = None) -> Spec:
        require(len(w.shape) == 2, self.name, f"the weight must be [in, out], got {w.shape}")
        require(x.shape[-1] == w.shape[0], self.name, f"input {x.shape} does not fit weight {w.shape}")
        require(b is None or b.shape == w.shape[1:], self.name, "the bias must be as wide as the output")
        return Spec((*x.shape[:-1], w.shape[1]))

    def forward(self, xp: Primitives, x: Array, w: Array, b: Array | None = None) -> Forward:
        y = xp.matmul(x, w)
        return (y if b is None else y + b), nothing

    def backward(self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants) -> Gradients:
        x, w = inputs[:2]
        dx = xp.matmul(grad, xp.transpose(w, (1, 0))) if wants[0] else None
        dw = xp.matmul(xp.transpose(_rows(xp, x), (1, 0)), _rows(xp, grad)) if wants[1] else None
        if len(inputs) == 2:
            return dx, dw
        return dx, dw, (xp.sum(_rows(xp, grad), axis=0) if wants[2] else None)

    def reads(self, wants: Wants) -> Sequence[int]:
        return [position for position, other in ((0, 1), (1, 0)) if wants[other]]

    def products(self, inputs: Specs, outputs: Specs) -> Sequence[Product]:
        (y,) = outputs
        columns = y.shape[-1]
        return (Product((0,), (1,), y.size // columns, inputs[0].shape[-1], columns),)

    def cost(self, inputs: Specs, outputs: Specs) -> Cost:
        (y,) = outputs
        product = _multiply(y.size // y.shape[-1], inputs[1].shape[0], inputs[1].shape[1])
        if len(inputs) == 2:
            return Cost(product, (product, product))
        bias = Work(elements=elements(y, inputs[2]))
        return Cost(product + bias, (product, product, bias))


class tied_linear(Op):
    """y = x tableᵀ, with x [..., width] and an embedding table [entries, width] used as output weight."""

    caches = False

    weights = (1,)

    def example(self, sizes: Sizes) -> Example:
        return Example({"x": sizes.sequence, "table": sizes.table})

    def shape(self, x: Spec, table: Spec) -> Spec:
        require(x.shape[-1] == table.shape[-1], self.name, f"input {x.shape} does not fit {table.shape}")
        return Spec((*x.shape[:-1], table.shape[0]))

    def forward(self, xp: Primitives, x: Array, table: Array) -> Forward:
        return xp.matmul(x, xp.transpose(table, (1, 0))), nothing

    def backward(self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants) -> Gradients:
        x, table = inputs
        dx = xp.matmul(grad, table) if wants[0] else None
        dw = xp.matmul(xp.transpose(_rows(xp, grad), (1, 0)), _rows(xp, x)) if wants[1] else None
        return dx, dw

    def reads(self, wants: Wants) -> Sequence[int]:
        return [position for position, other in ((0, 1), (1, 0)) if wants[other]]

    def products(self, inputs: Specs, outputs: Specs) -> Sequence[Product]:
        (y,) = outputs
        columns = y.shape[-1]
        return (Product((0,), (1,), y.size // columns, inputs[0].shape[-1], columns),)

    def cost(self, inputs: Specs, outputs: Specs) -> Cost:
        (y,) = outputs
        product = _multiply(y.size // y.shape[-1], inputs[1].shape[1], inputs[1].shape[0])
        return Cost(product, (product, product))
