"""Gates: smooth functions of one element, and the products by which they let another signal pass."""

from __future__ import annotations

from .base import Op, Spec, Unread, nothing, require


def logistic(xp, x):
    """1 / (1 + exp(-x)), written so that no exponential overflows."""
    return 0.5 * (1 + xp.tanh(0.5 * x))


class sigmoid(Unread):
    """1 / (1 + exp(-x)). Its derivative is y (1 - y)."""

    def shape(self, x):
        return x

    def forward(self, xp, x):
        y = logistic(xp, x)
        return y, lambda: (y * (1 - y),)

    def backward(self, xp, grad, local, inputs, wants):
        return (grad * local[0],)


class tanh(Unread):
    """Hyperbolic tangent. Its derivative is 1 - y²."""

    def shape(self, x):
        return x

    def forward(self, xp, x):
        y = xp.tanh(x)
        return y, lambda: (1 - y * y,)

    def backward(self, xp, grad, local, inputs, wants):
        return (grad * local[0],)


class silu(Unread):
    """x sigmoid(x), also called swish (Elfwing et al. 2017)."""

    def shape(self, x):
        return x

    def forward(self, xp, x):
        y = logistic(xp, x)
        return x * y, lambda: (y * (1 + x * (1 - y)),)

    def backward(self, xp, grad, local, inputs, wants):
        return (grad * local[0],)


class multiply(Op):
    """a b, element by element, where b may lack leading axes of a."""

    caches = False

    def shape(self, a, b):
        fits = len(b.shape) <= len(a.shape) and a.shape[len(a.shape) - len(b.shape) :] == b.shape
        require(fits, self.name, f"{b.shape} does not fit the last axes of {a.shape}")
        return Spec(a.shape)

    def forward(self, xp, a, b):
        return a * b, nothing

    def backward(self, xp, grad, local, inputs, wants):
        a, b = inputs
        leading = tuple(range(len(a.shape) - len(b.shape)))
        db = None
        if wants[1]:
            db = xp.sum(grad * a, axis=leading) if leading else grad * a
        return (grad * b if wants[0] else None), db

    def reads(self, wants):
        return [position for position, other in ((0, 1), (1, 0)) if wants[other]]


class dropout(Op):
    """x / (1 - rate) where mask holds, else 0 (Srivastava et al. 2014). The mask is data, so that all drop the same."""

    caches = False

    def shape(self, x, mask, *, rate):
        require(0 <= rate < 1, self.name, f"the rate must be at least 0 and below 1, got {rate}")
        require(mask.kind == "bool", self.name, "the mask must be of truth values")
        require(mask.shape == x.shape, self.name, f"the mask {mask.shape} does not fit {x.shape}")
        return x

    def forward(self, xp, x, mask, *, rate):
        return xp.where(mask, x, 0) / (1 - rate), nothing

    def backward(self, xp, grad, local, inputs, wants, *, rate):
        return xp.where(inputs[1], grad, 0) / (1 - rate), None

    def reads(self, wants):
        return (1,)
