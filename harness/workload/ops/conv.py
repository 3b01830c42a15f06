"""Convolutions over images [batch, height, width, channels] with weights [height, width, in, out]."""

from __future__ import annotations

import math
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


def window_output(op: str, size: int, kernel: int, stride: int, padding: int) -> int:
    """Number of window positions along one axis. Raises WorkloadError where the window does not fit."""
    require(stride >= 1, op, f"the stride must be at least 1, got {stride}")
    require(
        size + 2 * padding >= kernel,
        op,
        f"a window of {kernel} does not fit an image of {size} with padding {padding}; use a larger image",
    )
    return (size + 2 * padding - kernel) // stride + 1


class conv2d(Op):
    """2-D convolution (cross-correlation), x [N, H, W, C], w [kh, kw, C / groups, out], b [out] or nothing."""

    caches = False

    weights = (1, 2)
    matrices = (1,)
    bias_position = 2

    def example(self, sizes: Sizes) -> Example:
        weight = draw.he(sizes.kernel, sizes.kernel, max(sizes.channels // sizes.groups, 1), sizes.channels)
        arguments = {"x": sizes.images, "w": weight, "b": draw.bias(sizes.channels)}
        return Example(arguments, {"stride": sizes.stride, "padding": sizes.kernel // 2, "groups": sizes.groups})

    def shape(
        self, x: Spec, w: Spec, b: Spec | None = None, *, stride: int = 1, padding: int = 0, groups: int = 1
    ) -> Spec:
        require(len(x.shape) == 4, self.name, f"the input must be [batch, height, width, channels], got {x.shape}")
        require(len(w.shape) == 4, self.name, f"the weight must be [height, width, in, out], got {w.shape}")
        kh, kw, channels, out = w.shape
        require(channels * groups == x.shape[3], self.name, f"weight {w.shape} does not fit input {x.shape}")
        require(out % groups == 0, self.name, f"{groups} groups do not divide {out} output channels")
        require(b is None or b.shape == w.shape[3:], self.name, "the bias must be as wide as the output")
        height = window_output(self.name, x.shape[1], kh, stride, padding)
        width = window_output(self.name, x.shape[2], kw, stride, padding)
        return Spec((x.shape[0], height, width, out))

    def forward(
        self,
        xp: Primitives,
        x: Array,
        w: Array,
        b: Array | None = None,
        *,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
    ) -> Forward:
        y = xp.conv2d(x, w, stride, padding, groups)
        return (y if b is None else y + b), nothing

    def backward(
        self,
        xp: Primitives,
        grad: Array,
        local: Arrays,
        inputs: Arrays,
        wants: Wants,
        *,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
    ) -> Gradients:
        x, w = inputs[:2]
        dx = xp.conv2d_dx(grad, w, x.shape, stride, padding, groups) if wants[0] else None
        dw = xp.conv2d_dw(grad, x, w.shape, stride, padding, groups) if wants[1] else None
        if len(inputs) == 2:
            return dx, dw
        return dx, dw, (xp.sum(grad, axis=(0, 1, 2)) if wants[2] else None)

    def reads(self, wants: Wants) -> Sequence[int]:
        return [position for position, other in ((0, 1), (1, 0)) if wants[other]]

    def products(
        self, inputs: Specs, outputs: Specs, *, stride: int = 1, padding: int = 0, groups: int = 1
    ) -> Sequence[Product]:
        """A window of one pixel multiplies the image's pixels by a matrix."""
        (y,) = outputs
        *window, inner, columns = inputs[1].shape
        if window != [1, 1] or padding or groups > 1:
            return ()
        return (Product((0,), (1,), y.size // columns, inner, columns),)

    def cost(self, inputs: Specs, outputs: Specs, *, stride: int = 1, padding: int = 0, groups: int = 1) -> Cost:
        (y,) = outputs
        kh, kw, channels, _ = inputs[1].shape
        # Taps that fall on padding count, as in every published table.
        product = Work(1, 2 * y.size * kh * kw * channels, elements(inputs[0], inputs[1], y))
        if len(inputs) == 2:
            return Cost(product, (product, product))
        bias = Work(elements=elements(y, inputs[2]))
        return Cost(product + bias, (product, product, bias))


class conv_transpose2d(Op):
    """Transposed convolution: forward is the dX of a convolution with the same w [kh, kw, out, in], and b [out].

    x [N, H, W, in] becomes [N, (H - 1) stride + kh, (W - 1) stride + kw, out].
    """

    caches = False

    weights = (1, 2)
    matrices = (1,)
    bias_position = 2

    def example(self, sizes: Sizes) -> Example:
        weight = draw.he(sizes.kernel, sizes.kernel, sizes.channels, sizes.channels)
        return Example({"x": sizes.images, "w": weight, "b": draw.bias(sizes.channels)}, {"stride": sizes.stride})

    def shape(self, x: Spec, w: Spec, b: Spec | None = None, *, stride: int) -> Spec:
        require(len(x.shape) == 4, self.name, f"the input must be [batch, height, width, channels], got {x.shape}")
        require(len(w.shape) == 4, self.name, f"the weight must be [height, width, out, in], got {w.shape}")
        require(stride >= 1, self.name, f"the stride must be at least 1, got {stride}")
        kh, kw, out, channels = w.shape
        require(channels == x.shape[3], self.name, f"weight {w.shape} does not fit input {x.shape}")
        require(b is None or b.shape == (out,), self.name, "the bias must be as wide as the output")
        return Spec((x.shape[0], (x.shape[1] - 1) * stride + kh, (x.shape[2] - 1) * stride + kw, out))

    def forward(self, xp: Primitives, x: Array, w: Array, b: Array | None = None, *, stride: int) -> Forward:
        shape = self.shape(x, w, b, stride=stride).shape
        y = xp.conv2d_dx(x, w, shape, stride, 0, 1)
        return (y if b is None else y + b), nothing

    def backward(
        self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants, *, stride: int
    ) -> Gradients:
        x, w = inputs[:2]
        dx = xp.conv2d(grad, w, stride, 0, 1) if wants[0] else None
        dw = xp.conv2d_dw(x, grad, w.shape, stride, 0, 1) if wants[1] else None
        if len(inputs) == 2:
            return dx, dw
        return dx, dw, (xp.sum(grad, axis=(0, 1, 2)) if wants[2] else None)

    def reads(self, wants: Wants) -> Sequence[int]:
        return [position for position, other in ((0, 1), (1, 0)) if wants[other]]

    def cost(self, inputs: Specs, outputs: Specs, *, stride: int) -> Cost:
        x, w = inputs[:2]
        (y,) = outputs
        product = Work(1, 2 * x.size * math.prod(w.shape[:3]), elements(x, w, y))
        if len(inputs) == 2:
            return Cost(product, (product, product))
        bias = Work(elements=elements(y, inputs[2]))
        return Cost(product + bias, (product, product, bias))
