"""Pooling over images [batch, height, width, channels], and upsampling, which undoes its size."""

from __future__ import annotations

from ..spec import Spec
from .base import Array, Arrays, Forward, Gradients, Op, Primitives, Unread, Wants, nothing, require
from .conv import window_output
from .example import Example, Sizes, example_of


class max_pool(Op):
    """Largest value of each window; padding never wins. Of equal values the first gets the gradient."""

    def example(self, sizes: Sizes) -> Example:
        return Example({"x": sizes.images}, {"size": sizes.kernel, "stride": sizes.stride})

    def shape(self, x: Spec, *, size: int, stride: int, padding: int = 0) -> Spec:
        require(len(x.shape) == 4, self.name, f"the input must be [batch, height, width, channels], got {x.shape}")
        require(2 * padding <= size, self.name, f"padding {padding} is more than half the window {size}")
        height = window_output(self.name, x.shape[1], size, stride, padding)
        width = window_output(self.name, x.shape[2], size, stride, padding)
        return Spec((x.shape[0], height, width, x.shape[3]))

    def forward(self, xp: Primitives, x: Array, *, size: int, stride: int, padding: int = 0) -> Forward:
        y = xp.max_pool2d(x, size, stride, padding)
        return y, lambda: (y,)

    def backward(
        self,
        xp: Primitives,
        grad: Array,
        local: Arrays,
        inputs: Arrays,
        wants: Wants,
        *,
        size: int,
        stride: int,
        padding: int = 0,
    ) -> Gradients:
        return (xp.max_pool2d_dx(grad, inputs[0], local[0], size, stride, padding),)


class global_avg_pool(Unread):
    """Mean over height and width: [N, H, W, C] to [N, C]."""

    caches = False

    def example(self, sizes: Sizes) -> Example:
        return example_of(sizes.images)

    def shape(self, x: Spec) -> Spec:
        require(len(x.shape) == 4, self.name, f"the input must be [batch, height, width, channels], got {x.shape}")
        return Spec((x.shape[0], x.shape[3]))

    def forward(self, xp: Primitives, x: Array) -> Forward:
        return xp.mean(x, axis=(1, 2)), nothing

    def backward(self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants) -> Gradients:
        n, height, width, channels = inputs[0].shape
        each = xp.reshape(grad, (n, 1, 1, channels)) / (height * width)
        return (xp.broadcast_to(each, (n, height, width, channels)),)


class avg_pool(Unread):
    """Mean of each window, without padding."""

    caches = False

    def example(self, sizes: Sizes) -> Example:
        return Example({"x": sizes.images}, {"size": sizes.kernel, "stride": sizes.stride})

    def shape(self, x: Spec, *, size: int, stride: int) -> Spec:
        require(len(x.shape) == 4, self.name, f"the input must be [batch, height, width, channels], got {x.shape}")
        height, width = (window_output(self.name, n, size, stride, 0) for n in x.shape[1:3])
        return Spec((x.shape[0], height, width, x.shape[3]))

    def forward(self, xp: Primitives, x: Array, *, size: int, stride: int) -> Forward:
        return xp.avg_pool2d(x, size, stride), nothing

    def backward(
        self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants, *, size: int, stride: int
    ) -> Gradients:
        return (xp.avg_pool2d_dx(grad, inputs[0].shape, size, stride),)


class upsample(Unread):
    """Each pixel `factor` times in both directions (nearest neighbour)."""

    caches = False

    def example(self, sizes: Sizes) -> Example:
        return example_of(sizes.images, factor=2)

    def shape(self, x: Spec, *, factor: int) -> Spec:
        require(len(x.shape) == 4, self.name, f"the input must be [batch, height, width, channels], got {x.shape}")
        require(factor >= 1, self.name, f"the factor must be at least 1, got {factor}")
        n, height, width, channels = x.shape
        return Spec((n, height * factor, width * factor, channels))

    def forward(self, xp: Primitives, x: Array, *, factor: int) -> Forward:
        n, height, width, channels = x.shape
        each = xp.reshape(x, (n, height, 1, width, 1, channels))
        copies = xp.broadcast_to(each, (n, height, factor, width, factor, channels))
        return xp.reshape(copies, (n, height * factor, width * factor, channels)), nothing

    def backward(
        self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants, *, factor: int
    ) -> Gradients:
        n, height, width, channels = inputs[0].shape
        return (xp.sum(xp.reshape(grad, (n, height, factor, width, factor, channels)), axis=(2, 4)),)
