"""Scalar nodes: forward a function of each element or of each pair, backward its derivative and one multiplication."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .. import draw
from ..spec import Spec
from .base import Array, Arrays, Forward, Gradients, Op, Primitives, Unread, Wants, nothing, require
from .example import Example, Sizes, example_of

GELU = math.sqrt(2 / math.pi)  # tanh form of Hendrycks & Gimpel 2016, as in GPT-2
CUBIC = 0.044715


def logistic(xp: Primitives, x: Array) -> Array:
    """1 / (1 + exp(-x)), written so that no exponential overflows."""
    return 0.5 * (1 + xp.tanh(0.5 * x))


def _unchanged(op: Op, x: Spec) -> Spec:
    return x


class _Scalar(Unread):
    """A function of one element. Its local gradient is its slope."""

    elementwise = True

    shape: Callable[..., Spec] = _unchanged

    def backward(
        self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants, **attrs: Any
    ) -> Gradients:
        return (grad * local[0],)


class relu(_Scalar):
    """max(x, 0). Its local gradient is a mask."""

    corners = (0.0,)

    def forward(self, xp: Primitives, x: Array) -> Forward:
        return xp.maximum(x, 0), lambda: (xp.step(x),)


class relu6(_Scalar):
    """min(max(x, 0), 6), as in MobileNet; its slope is 0 at both corners."""

    corners = (0.0, 6.0)

    def forward(self, xp: Primitives, x: Array) -> Forward:
        return xp.minimum(xp.maximum(x, 0), 6), lambda: (xp.step(x) * xp.step(6 - x),)


class leaky_relu(_Scalar):
    """x where x > 0, else slope * x, with 0 <= slope < 1 (Maas et al. 2013)."""

    corners = (0.0,)

    def example(self, sizes: Sizes) -> Example:
        return example_of(sizes.sequence, slope=0.01)

    def shape(self, x: Spec, *, slope: float) -> Spec:
        require(0 <= slope < 1, self.name, f"the slope must be at least 0 and less than 1, got {slope}")
        return x

    def forward(self, xp: Primitives, x: Array, *, slope: float) -> Forward:
        return xp.maximum(x, slope * x), lambda: (slope + (1 - slope) * xp.step(x),)


class hard_swish(_Scalar):
    """x min(max(x + 3, 0), 6) / 6, as in MobileNetV3 (Howard et al. 2019)."""

    corners = (-3.0, 3.0)

    def forward(self, xp: Primitives, x: Array) -> Forward:
        gate = xp.minimum(xp.maximum(x + 3, 0), 6) / 6
        return x * gate, lambda: (gate + x * xp.step(x + 3) * xp.step(3 - x) / 6,)


class gelu(_Scalar):
    """x (1 + tanh(sqrt(2/pi) (x + 0.044715 x³))) / 2, the tanh form that GPT-2 uses; or exactly, x Φ(x).

    Φ(x) = (1 + erf(x / sqrt(2))) / 2 is the normal distribution function (Hendrycks & Gimpel 2016).
    """

    def shape(self, x: Spec, *, approximate: bool = True) -> Spec:
        return x

    def forward(self, xp: Primitives, x: Array, *, approximate: bool = True) -> Forward:
        if not approximate:
            below = 0.5 * (1 + xp.erf(x * math.sqrt(0.5)))
            return x * below, lambda: (below + x * xp.exp(-0.5 * x * x) / math.sqrt(2 * math.pi),)
        t = xp.tanh(GELU * (x + CUBIC * x * x * x))

        def local() -> Arrays:
            slope = GELU * (1 + 3 * CUBIC * x * x)
            return (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * slope,)

        return 0.5 * x * (1 + t), local


class sigmoid(_Scalar):
    """1 / (1 + exp(-x)). Its derivative is y (1 - y)."""

    def forward(self, xp: Primitives, x: Array) -> Forward:
        y = logistic(xp, x)
        return y, lambda: (y * (1 - y),)


class tanh(_Scalar):
    """Hyperbolic tangent. Its derivative is 1 - y²."""

    def forward(self, xp: Primitives, x: Array) -> Forward:
        y = xp.tanh(x)
        return y, lambda: (1 - y * y,)


class silu(_Scalar):
    """x sigmoid(x), also called swish (Elfwing et al. 2017)."""

    def forward(self, xp: Primitives, x: Array) -> Forward:
        y = logistic(xp, x)
        return x * y, lambda: (y * (1 + x * (1 - y)),)


def _require_last_axes(op: Op, a: Spec, b: Spec) -> Spec:
    fits = len(b.shape) <= len(a.shape) and a.shape[len(a.shape) - len(b.shape) :] == b.shape
    require(fits, op.name, f"{b.shape} does not fit the last axes of {a.shape}")
    return Spec(a.shape)


def _summed(xp: Primitives, grad: Array, inputs: Arrays) -> Array:
    """The gradient of b from one in the shape of a: the sum over the leading axes that b lacks."""
    a, b = inputs
    leading = tuple(range(len(a.shape) - len(b.shape)))
    return xp.sum(grad, axis=leading) if leading else grad


class add(Unread):
    """a + b, where b may lack leading axes of a (as position embeddings do)."""

    caches = False

    def example(self, sizes: Sizes) -> Example:
        return example_of(sizes.sequence, sizes.sequence)

    def shape(self, a: Spec, b: Spec) -> Spec:
        return _require_last_axes(self, a, b)

    def forward(self, xp: Primitives, a: Array, b: Array) -> Forward:
        return a + b, nothing

    def backward(self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants) -> Gradients:
        return grad, (_summed(xp, grad, inputs) if wants[1] else grad)


class multiply(Op):
    """a b, element by element, where b may lack leading axes of a."""

    caches = False

    def example(self, sizes: Sizes) -> Example:
        return example_of(sizes.sequence, sizes.sequence)

    def shape(self, a: Spec, b: Spec) -> Spec:
        return _require_last_axes(self, a, b)

    def forward(self, xp: Primitives, a: Array, b: Array) -> Forward:
        return a * b, nothing

    def backward(self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants) -> Gradients:
        a, b = inputs
        return (grad * b if wants[0] else None), (_summed(xp, grad * a, inputs) if wants[1] else None)

    def reads(self, wants: Wants) -> Sequence[int]:
        return [position for position, other in ((0, 1), (1, 0)) if wants[other]]


class dropout(Op):
    """x / (1 - rate) where mask holds, else 0 (Srivastava et al. 2014). The mask is data, so that all drop the same."""

    caches = False

    def example(self, sizes: Sizes) -> Example:
        rate = 0.1
        mask = draw.kept(*sizes.sequence.spec.shape, rate=rate)
        return Example({"x": sizes.sequence, "mask": mask}, {"rate": rate})

    def shape(self, x: Spec, mask: Spec, *, rate: float) -> Spec:
        require(0 <= rate < 1, self.name, f"the rate must be at least 0 and below 1, got {rate}")
        require(mask.kind == "bool", self.name, "the mask must be of truth values")
        require(mask.shape == x.shape, self.name, f"the mask {mask.shape} does not fit {x.shape}")
        return x

    def forward(self, xp: Primitives, x: Array, mask: Array, *, rate: float) -> Forward:
        return xp.where(mask, x, 0) / (1 - rate), nothing

    def backward(
        self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants, *, rate: float
    ) -> Gradients:
        return xp.where(inputs[1], grad, 0) / (1 - rate), None

    def reads(self, wants: Wants) -> Sequence[int]:
        return (1,)
