"""Convolutions over images [batch, height, width, channels] with weights [height, width, in, out]."""

from __future__ import annotations

import math

from .base import Cost, Op, Spec, Work, elements, nothing, require


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

    def shape(self, x, w, b=None, *, stride=1, padding=0, groups=1):
        require(len(x.shape) == 4, self.name, f"the input must be [batch, height, width, channels], got {x.shape}")
        require(len(w.shape) == 4, self.name, f"the weight must be [height, width, in, out], got {w.shape}")
        kh, kw, channels, out = w.shape
        require(channels * groups == x.shape[3], self.name, f"weight {w.shape} does not fit input {x.shape}")
        require(out % groups == 0, self.name, f"{groups} groups do not divide {out} output channels")
        require(b is None or b.shape == w.shape[3:], self.name, "the bias must be as wide as the output")
        height = window_output(self.name, x.shape[1], kh, stride, padding)
        width = window_output(self.name, x.shape[2], kw, stride, padding)
        return Spec((x.shape[0], height, width, out))

    def forward(self, xp, x, w, b=None, *, stride=1, padding=0, groups=1):
        y = xp.conv2d(x, w, stride, padding, groups)
        return (y if b is None else y + b), nothing

    def backward(self, xp, grad, local, inputs, wants, *, stride=1, padding=0, groups=1):
        x, w = inputs[:2]
        dx = xp.conv2d_dx(grad, w, x.shape, stride, padding, groups) if wants[0] else None
        dw = xp.conv2d_dw(grad, x, w.shape, stride, padding, groups) if wants[1] else None
        if len(inputs) == 2:
            return dx, dw
        return dx, dw, (xp.sum(grad, axis=(0, 1, 2)) if wants[2] else None)

    def reads(self, wants):
        return [position for position, other in ((0, 1), (1, 0)) if wants[other]]

    def cost(self, inputs, outputs, *, stride=1, padding=0, groups=1):
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

    def shape(self, x, w, b=None, *, stride):
        require(len(x.shape) == 4, self.name, f"the input must be [batch, height, width, channels], got {x.shape}")
        require(len(w.shape) == 4, self.name, f"the weight must be [height, width, out, in], got {w.shape}")
        require(stride >= 1, self.name, f"the stride must be at least 1, got {stride}")
        kh, kw, out, channels = w.shape
        require(channels == x.shape[3], self.name, f"weight {w.shape} does not fit input {x.shape}")
        require(b is None or b.shape == (out,), self.name, "the bias must be as wide as the output")
        return Spec((x.shape[0], (x.shape[1] - 1) * stride + kh, (x.shape[2] - 1) * stride + kw, out))

    def forward(self, xp, x, w, b=None, *, stride):
        shape = self.shape(x, w, b, stride=stride).shape
        y = xp.conv2d_dx(x, w, shape, stride, 0, 1)
        return (y if b is None else y + b), nothing

    def backward(self, xp, grad, local, inputs, wants, *, stride):
        x, w = inputs[:2]
        dx = xp.conv2d(grad, w, stride, 0, 1) if wants[0] else None
        dw = xp.conv2d_dw(x, grad, w.shape, stride, 0, 1) if wants[1] else None
        if len(inputs) == 2:
            return dx, dw
        return dx, dw, (xp.sum(grad, axis=(0, 1, 2)) if wants[2] else None)

    def reads(self, wants):
        return [position for position, other in ((0, 1), (1, 0)) if wants[other]]

    def cost(self, inputs, outputs, *, stride):
        x, w = inputs[:2]
        (y,) = outputs
        product = Work(1, 2 * x.size * math.prod(w.shape[:3]), elements(x, w, y))
        if len(inputs) == 2:
            return Cost(product, (product, product))
        bias = Work(elements=elements(y, inputs[2]))
        return Cost(product + bias, (product, product, bias))
