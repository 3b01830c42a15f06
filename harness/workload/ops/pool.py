"""Pooling over images [batch, height, width, channels], and upsampling, which undoes its size."""

from __future__ import annotations

from .base import Op, Spec, Unread, nothing, require
from .conv import window_output


class max_pool(Op):
    """Largest value of each window; padding never wins. Of equal values the first gets the gradient."""

    def shape(self, x, *, size, stride, padding=0):
        require(len(x.shape) == 4, self.name, f"the input must be [batch, height, width, channels], got {x.shape}")
        require(2 * padding <= size, self.name, f"padding {padding} is more than half the window {size}")
        height = window_output(self.name, x.shape[1], size, stride, padding)
        width = window_output(self.name, x.shape[2], size, stride, padding)
        return Spec((x.shape[0], height, width, x.shape[3]))

    def forward(self, xp, x, *, size, stride, padding=0):
        y = xp.max_pool2d(x, size, stride, padding)
        return y, lambda: (y,)

    def backward(self, xp, grad, local, inputs, wants, *, size, stride, padding=0):
        return (xp.max_pool2d_dx(grad, inputs[0], local[0], size, stride, padding),)


class global_avg_pool(Unread):
    """Mean over height and width: [N, H, W, C] to [N, C]."""

    caches = False

    def shape(self, x):
        require(len(x.shape) == 4, self.name, f"the input must be [batch, height, width, channels], got {x.shape}")
        return Spec((x.shape[0], x.shape[3]))

    def forward(self, xp, x):
        return xp.mean(x, axis=(1, 2)), nothing

    def backward(self, xp, grad, local, inputs, wants):
        n, height, width, channels = inputs[0].shape
        each = xp.reshape(grad, (n, 1, 1, channels)) / (height * width)
        return (xp.broadcast_to(each, (n, height, width, channels)),)


class avg_pool(Unread):
    """Mean of each window, without padding."""

    caches = False

    def shape(self, x, *, size, stride):
        require(len(x.shape) == 4, self.name, f"the input must be [batch, height, width, channels], got {x.shape}")
        height, width = (window_output(self.name, n, size, stride, 0) for n in x.shape[1:3])
        return Spec((x.shape[0], height, width, x.shape[3]))

    def forward(self, xp, x, *, size, stride):
        return xp.avg_pool2d(x, size, stride), nothing

    def backward(self, xp, grad, local, inputs, wants, *, size, stride):
        return (xp.avg_pool2d_dx(grad, inputs[0].shape, size, stride),)


class upsample(Unread):
    """Each pixel `factor` times in both directions (nearest neighbour)."""

    caches = False

    def shape(self, x, *, factor):
        require(len(x.shape) == 4, self.name, f"the input must be [batch, height, width, channels], got {x.shape}")
        require(factor >= 1, self.name, f"the factor must be at least 1, got {factor}")
        n, height, width, channels = x.shape
        return Spec((n, height * factor, width * factor, channels))

    def forward(self, xp, x, *, factor):
        n, height, width, channels = x.shape
        each = xp.reshape(x, (n, height, 1, width, 1, channels))
        copies = xp.broadcast_to(each, (n, height, factor, width, factor, channels))
        return xp.reshape(copies, (n, height * factor, width * factor, channels)), nothing

    def backward(self, xp, grad, local, inputs, wants, *, factor):
        n, height, width, channels = inputs[0].shape
        return (xp.sum(xp.reshape(grad, (n, height, factor, width, factor, channels)), axis=(2, 4)),)
