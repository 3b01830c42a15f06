"""Recurrent cells, and the same run over a whole sequence [batch, tokens, inputs] as one op.

A sequence's products with its inputs are one multiply; those with the state are one for each step. Backward, a
step has two: for the state before it, and for the state's weight.
"""

from __future__ import annotations

from .base import Array, Cost, Op, Spec, Work, elements, require
from .gating import logistic


class _Recurrent(Op):
    """`gates` blocks of the state's width; `states` arrays [batch, width]."""

    gates: int
    states: int

    def _require(self, axes: tuple[str, ...], x: Spec, *rest: Spec) -> None:
        states, (w, u, *biases) = rest[: self.states], rest[self.states :]
        require(len(x.shape) == len(axes), self.name, f"the input must be [{', '.join(axes)}], got {x.shape}")
        width = states[0].shape[-1]
        for state in states:
            fits = state.shape == (x.shape[0], width)
            require(fits, self.name, f"a state must be [{x.shape[0]}, width], the same for all, got {state.shape}")
        wanted = self.gates * width
        require(w.shape == (x.shape[-1], wanted), self.name, f"w must be {(x.shape[-1], wanted)}, got {w.shape}")
        require(u.shape == (width, wanted), self.name, f"u must be {(width, wanted)}, got {u.shape}")
        for bias in biases:
            require(bias.shape == (wanted,), self.name, f"a bias must be {(wanted,)}, got {bias.shape}")

    def reads(self, wants):
        w, u = 1 + self.states, 2 + self.states
        return [*(position for position, other in ((0, w), (w, 0), (1, u)) if wants[other]), u]

    def cost(self, inputs, outputs):
        x, *states = inputs[: 1 + self.states]
        w, u, *biases = inputs[1 + self.states :]
        rows, steps = x.size // x.shape[-1], 1 if len(x.shape) == 2 else x.shape[1]
        gates = rows * w.shape[1]
        once = Work(1, 2 * rows * w.size, elements(x, w) + gates)
        step = Work(1, 2 * states[0].shape[0] * u.size, elements(states[0], u) + gates // steps)
        hidden = rows * states[0].shape[1]
        forward = Work(elements=2 * gates + 2 * hidden)
        backward = Work(elements=3 * gates + 4 * hidden)
        # Every gradient needs the way back through the states; the step before the first is h's own gradient.
        weight = sum([step] * steps, backward)
        bias = Work(elements=gates)
        return Cost(
            sum([step] * steps, once + forward),
            (once, step, *[Work()] * (self.states - 1), once, weight, *[bias] * len(biases)),
            shared=sum([step] * (steps - 1), Work()),
        )


def _lstm_step(xp, gates, c):
    """The next h and c from the sum of both products [batch, 4 width], and what the way back needs."""
    i, f, g, o = xp.split(gates, 4)
    i, f, g, o = logistic(xp, i), logistic(xp, f), xp.tanh(g), logistic(xp, o)
    after = f * c + i * g
    bent = xp.tanh(after)
    return o * bent, after, (i, f, g, o, bent, c)


def _lstm_step_backward(xp, dh, dc, kept):
    """Gradients of the gates' sum and of c."""
    i, f, g, o, bent, c = kept
    dc = dc + dh * o * (1 - bent * bent)
    gates = (dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g * g), dh * bent * o * (1 - o))
    return xp.concatenate(gates), dc * f


def _gru_step(xp, inner, outer, h):
    """The next h from the products with input and with state, each [batch, 3 width], and what the way back needs."""
    (r, z, n), (hr, hz, hn) = xp.split(inner, 3), xp.split(outer, 3)
    r, z = logistic(xp, r + hr), logistic(xp, z + hz)
    n = xp.tanh(n + r * hn)
    return n + z * (h - n), (r, z, n, hn, h)


def _gru_step_backward(xp, dh, kept):
    """Gradients of both products, and the part of h's that does not go through them."""
    r, z, n, hn, h = kept
    dn = dh * (1 - z) * (1 - n * n)
    dz = dh * (h - n) * z * (1 - z)
    dr = dn * hn * r * (1 - r)
    return xp.concatenate((dr, dz, dn)), xp.concatenate((dr, dz, dn * r)), dh * z


def _transposed(xp, x):
    return xp.transpose(x, (1, 0))


def _rows(xp, x):
    """[batch, tokens, n] as [batch * tokens, n]; [batch, n] as it is."""
    return xp.reshape(x, (-1, x.shape[-1]))


def _input_gradients(xp, dgates, x, w, wants_x, wants_w, wants_b):
    """Gradients of x, w and b in x w + b."""
    dx = xp.matmul(dgates, _transposed(xp, w)) if wants_x else None
    dw = xp.matmul(_transposed(xp, _rows(xp, x)), _rows(xp, dgates)) if wants_w else None
    return dx, dw, (xp.sum(_rows(xp, dgates), axis=0) if wants_b else None)


class _LSTM(_Recurrent):
    gates, states = 4, 2


class _GRU(_Recurrent):
    gates, states = 3, 1


class lstm_cell(_LSTM):
    """One step of an LSTM with a forget gate (Gers et al. 2000): x [batch, inputs] and states h, c to the next h, c.

    w [inputs, 4 width], u [width, 4 width] and b [4 width] hold input, forget, cell and output gate, in this order.
    """

    def shape(self, x, h, c, w, u, b):
        self._require(("batch", "inputs"), x, h, c, w, u, b)
        return Spec(h.shape), Spec(h.shape)

    def forward(self, xp, x, h, c, w, u, b):
        h, c, kept = _lstm_step(xp, xp.matmul(x, w) + xp.matmul(h, u) + b, c)
        return (h, c), lambda: kept

    def backward(self, xp, grad, local, inputs, wants):
        x, h, _, w, u, _ = inputs
        dh, dc = grad
        dgates, dc = _lstm_step_backward(xp, dh, dc, local)
        dx, dw, db = _input_gradients(xp, dgates, x, w, wants[0], wants[3], wants[5])
        dh = xp.matmul(dgates, _transposed(xp, u)) if wants[1] else None
        du = xp.matmul(_transposed(xp, h), dgates) if wants[4] else None
        return dx, dh, dc, dw, du, db


class lstm(_LSTM):
    """`lstm_cell` over x [batch, tokens, inputs] from the states h and c: every h, [batch, tokens, width]."""

    def shape(self, x, h, c, w, u, b):
        self._require(("batch", "tokens", "inputs"), x, h, c, w, u, b)
        return Spec((*x.shape[:2], h.shape[1]))

    def forward(self, xp, x, h, c, w, u, b):
        projected = xp.matmul(x, w) + b
        outputs, steps = [], []
        for t in range(x.shape[1]):
            before = h
            h, c, kept = _lstm_step(xp, projected[:, t] + xp.matmul(h, u), c)
            outputs.append(h)
            steps += [*kept, before]
        return xp.stack(outputs, 1), lambda: tuple(steps)

    def backward(self, xp, grad, local, inputs, wants):
        x, _, _, w, u, _ = inputs
        each = len(local) // x.shape[1]
        dh = dc = xp.zeros(grad[:, 0].shape, grad)
        du = None
        dgates: list[Array] = []
        for t in reversed(range(x.shape[1])):
            *kept, before = local[t * each : (t + 1) * each]
            here, dc = _lstm_step_backward(xp, grad[:, t] + dh, dc, kept)
            if t or wants[1]:
                dh = xp.matmul(here, _transposed(xp, u))
            if wants[4]:
                step = xp.matmul(_transposed(xp, before), here)
                du = step if du is None else du + step
            dgates.insert(0, here)
        dx, dw, db = _input_gradients(xp, xp.stack(dgates, 1), x, w, wants[0], wants[3], wants[5])
        return dx, (dh if wants[1] else None), dc, dw, du, db


class gru_cell(_GRU):
    """One step of a GRU (Cho et al. 2014) that resets after the product, as cuDNN has it: x and state h to the next h.

    w [inputs, 3 width], u [width, 3 width] hold reset gate, update gate and candidate; b and d [3 width] are the
    biases of the products with the input and with the state.
    """

    def shape(self, x, h, w, u, b, d):
        self._require(("batch", "inputs"), x, h, w, u, b, d)
        return Spec(h.shape)

    def forward(self, xp, x, h, w, u, b, d):
        after, kept = _gru_step(xp, xp.matmul(x, w) + b, xp.matmul(h, u) + d, h)
        return after, lambda: kept

    def backward(self, xp, grad, local, inputs, wants):
        x, h, w, u, _, _ = inputs
        inner, outer, dh = _gru_step_backward(xp, grad, local)
        dx, dw, db = _input_gradients(xp, inner, x, w, wants[0], wants[2], wants[4])
        through, du, dd = _input_gradients(xp, outer, h, u, wants[1], wants[3], wants[5])
        return dx, (dh + through if wants[1] else None), dw, du, db, dd


class gru(_GRU):
    """`gru_cell` over x [batch, tokens, inputs] from the state h: every h, [batch, tokens, width]."""

    def shape(self, x, h, w, u, b, d):
        self._require(("batch", "tokens", "inputs"), x, h, w, u, b, d)
        return Spec((*x.shape[:2], h.shape[1]))

    def forward(self, xp, x, h, w, u, b, d):
        projected = xp.matmul(x, w) + b
        outputs, steps = [], []
        for t in range(x.shape[1]):
            h, kept = _gru_step(xp, projected[:, t], xp.matmul(h, u) + d, h)
            outputs.append(h)
            steps += kept
        return xp.stack(outputs, 1), lambda: tuple(steps)

    def backward(self, xp, grad, local, inputs, wants):
        x, _, w, u, _, _ = inputs
        each = len(local) // x.shape[1]
        dh = xp.zeros(grad[:, 0].shape, grad)
        du = None
        inner: list[Array] = []
        outer: list[Array] = []
        for t in reversed(range(x.shape[1])):
            kept = local[t * each : (t + 1) * each]
            of_input, of_state, dh = _gru_step_backward(xp, grad[:, t] + dh, kept)
            if t or wants[1]:
                dh = dh + xp.matmul(of_state, _transposed(xp, u))
            if wants[3]:
                step = xp.matmul(_transposed(xp, kept[-1]), of_state)
                du = step if du is None else du + step
            inner.insert(0, of_input)
            outer.insert(0, of_state)
        dx, dw, db = _input_gradients(xp, xp.stack(inner, 1), x, w, wants[0], wants[2], wants[4])
        dd = xp.sum(_rows(xp, xp.stack(outer, 1)), axis=0) if wants[5] else None
        return dx, (dh if wants[1] else None), dw, du, db, dd
