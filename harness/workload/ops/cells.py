"""The arithmetic of one step of an LSTM and of a GRU, and its way back."""

from __future__ import annotations

from .base import Array, Arrays, Primitives
from .elementwise import logistic


def lstm_step(xp: Primitives, gates: Array, c: Array) -> tuple[Array, Array, Arrays]:
    """The next h and c from the sum of both products [batch, 4 width], and what the way back needs."""
    i, f, g, o = xp.split(gates, 4)
    i, f, g, o = logistic(xp, i), logistic(xp, f), xp.tanh(g), logistic(xp, o)
    after = f * c + i * g
    bent = xp.tanh(after)
    return o * bent, after, (i, f, g, o, bent, c)


def lstm_step_backward(xp: Primitives, dh: Array, dc: Array, kept: Arrays) -> tuple[Array, Array]:
    """Gradients of the gates' sum and of c."""
    i, f, g, o, bent, c = kept
    dc = dc + dh * o * (1 - bent * bent)
    gates = (dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g * g), dh * bent * o * (1 - o))
    return xp.concatenate(gates), dc * f


def gru_step(xp: Primitives, inner: Array, outer: Array, h: Array) -> tuple[Array, Arrays]:
    """The next h from the products with input and with state, each [batch, 3 width], and what the way back needs."""
    (r, z, n), (hr, hz, hn) = xp.split(inner, 3), xp.split(outer, 3)
    r, z = logistic(xp, r + hr), logistic(xp, z + hz)
    n = xp.tanh(n + r * hn)
    return n + z * (h - n), (r, z, n, hn, h)


def gru_step_backward(xp: Primitives, dh: Array, kept: Arrays) -> tuple[Array, Array, Array]:
    """Gradients of both products, and the part of h's that does not go through them."""
    r, z, n, hn, h = kept
    dn = dh * (1 - z) * (1 - n * n)
    dz = dh * (h - n) * z * (1 - z)
    dr = dn * hn * r * (1 - r)
    return xp.concatenate((dr, dz, dn)), xp.concatenate((dr, dz, dn * r)), dh * z


def transposed(xp: Primitives, x: Array) -> Array:
    return xp.transpose(x, (1, 0))


def rows(xp: Primitives, x: Array) -> Array:
    """[batch, tokens, n] as [batch * tokens, n]; [batch, n] as it is."""
    return xp.reshape(x, (-1, x.shape[-1]))


def input_gradients(
    xp: Primitives, dgates: Array, x: Array, w: Array, wants_x: bool, wants_w: bool, wants_b: bool
) -> tuple[Array | None, Array | None, Array | None]:
    """Gradients of x, w and b in x w + b."""
    dx = xp.matmul(dgates, transposed(xp, w)) if wants_x else None
    dw = xp.matmul(transposed(xp, rows(xp, x)), rows(xp, dgates)) if wants_w else None
    return dx, dw, (xp.sum(rows(xp, dgates), axis=0) if wants_b else None)
