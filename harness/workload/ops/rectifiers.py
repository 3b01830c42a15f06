"""Rectifiers beside the plain one: piecewise, with a mask or a slope for a local gradient."""

from __future__ import annotations

from .base import Unread, require


class relu6(Unread):
    """min(max(x, 0), 6), as in MobileNet; its slope is 0 at both corners."""

    def shape(self, x):
        return x

    def forward(self, xp, x):
        return xp.minimum(xp.maximum(x, 0), 6), lambda: (xp.step(x) * xp.step(6 - x),)

    def backward(self, xp, grad, local, inputs, wants):
        return (grad * local[0],)


class leaky_relu(Unread):
    """x where x > 0, else slope * x, with 0 <= slope < 1 (Maas et al. 2013)."""

    def shape(self, x, *, slope):
        require(0 <= slope < 1, self.name, f"the slope must be at least 0 and less than 1, got {slope}")
        return x

    def forward(self, xp, x, *, slope):
        return xp.maximum(x, slope * x), lambda: (slope + (1 - slope) * xp.step(x),)

    def backward(self, xp, grad, local, inputs, wants, *, slope):
        return (grad * local[0],)


class hard_swish(Unread):
    """x min(max(x + 3, 0), 6) / 6, as in MobileNetV3 (Howard et al. 2019)."""

    def shape(self, x):
        return x

    def forward(self, xp, x):
        gate = xp.minimum(xp.maximum(x + 3, 0), 6) / 6
        return x * gate, lambda: (gate + x * xp.step(x + 3) * xp.step(3 - x) / 6,)

    def backward(self, xp, grad, local, inputs, wants):
        return (grad * local[0],)
