"""Scalar nodes: forward one function per element, backward its derivative and one multiplication."""

from __future__ import annotations

import math

from .base import Spec, Unread, WorkloadError, nothing

_GELU = math.sqrt(2 / math.pi)  # tanh form of Hendrycks & Gimpel 2016, as in GPT-2
_CUBIC = 0.044715


class relu(Unread):
    """max(x, 0). Its local gradient is a mask."""

    def shape(self, x):
        return x

    def forward(self, xp, x):
        return xp.maximum(x, 0), lambda: (xp.step(x),)

    def backward(self, xp, grad, local, inputs, wants):
        return (grad * local[0],)


class gelu(Unread):
    """x (1 + tanh(sqrt(2/pi) (x + 0.044715 x³))) / 2, the tanh form that GPT-2 uses; or exactly, x Φ(x).

    Φ(x) = (1 + erf(x / sqrt(2))) / 2 is the normal distribution function (Hendrycks & Gimpel 2016).
    """

    def shape(self, x, *, approximate=True):
        return x

    def forward(self, xp, x, *, approximate=True):
        if not approximate:
            below = 0.5 * (1 + xp.erf(x * math.sqrt(0.5)))
            return x * below, lambda: (below + x * xp.exp(-0.5 * x * x) / math.sqrt(2 * math.pi),)
        t = xp.tanh(_GELU * (x + _CUBIC * x * x * x))

        def local():
            slope = _GELU * (1 + 3 * _CUBIC * x * x)
            return (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * slope,)

        return 0.5 * x * (1 + t), local

    def backward(self, xp, grad, local, inputs, wants, *, approximate=True):
        return (grad * local[0],)


class add(Unread):
    """a + b, where b may lack leading axes of a (as position embeddings do)."""

    caches = False

    def shape(self, a, b):
        if len(b.shape) > len(a.shape) or a.shape[len(a.shape) - len(b.shape) :] != b.shape:
            raise WorkloadError(f"add: {b.shape} does not fit the last axes of {a.shape}")
        return Spec(a.shape)

    def forward(self, xp, a, b):
        return a + b, nothing

    def backward(self, xp, grad, local, inputs, wants):
        a, b = inputs
        leading = tuple(range(len(a.shape) - len(b.shape)))
        return grad, (xp.sum(grad, axis=leading) if wants[1] and leading else grad)
