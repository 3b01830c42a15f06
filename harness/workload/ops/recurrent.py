"""Recurrent cells, and the same run over a whole sequence [batch, tokens, inputs] as one op.

A sequence's products with its inputs are one multiply; those with the state are one for each step. Backward, a
step has two: for the state before it, and for the state's weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

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
    require,
)
from .cells import (
    gru_step,
    gru_step_backward,
    input_gradients,
    lstm_step,
    lstm_step_backward,
    rows,
    transposed,
)
from .example import Example, Sizes


class _Recurrent(Op):
    """Inputs x, `states` [batch, width], matrices w and u of `gates` blocks as wide as a state, and `biases`."""

    gates: ClassVar[int]
    states: ClassVar[tuple[str, ...]]
    biases: ClassVar[tuple[str, ...]]

    def example(self, sizes: Sizes) -> Example:
        width, gates = sizes.width, self.gates * sizes.width
        states = dict.fromkeys(self.states, sizes.rows)
        weights = {name: draw.lecun(width, gates) for name in "wu"} | {name: draw.bias(gates) for name in self.biases}
        return Example({"x": sizes.sequence if self.has_loop else sizes.rows} | states | weights)

    def _require(self, axes: tuple[str, ...], x: Spec, *rest: Spec) -> None:
        count = len(self.states)
        states, (w, u, *biases) = rest[:count], rest[count:]
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

    def reads(self, wants: Wants) -> Sequence[int]:
        w, u = self.matrices
        return [*(position for position, other in ((0, w), (w, 0), (1, u)) if wants[other]), u]

    def products(self, inputs: Specs, outputs: Specs) -> Sequence[Product]:
        w, u = self.matrices
        steps, batch = inputs[0].shape[1] if self.has_loop else 1, inputs[1].shape[0]
        # In a loop, the states after the first step are made of all inputs.
        state = tuple(range(len(inputs))) if self.has_loop else (1,)
        return (
            Product((0,), (w,), batch * steps, inputs[w].shape[0], inputs[w].shape[1]),
            Product(state, (u,), batch, inputs[u].shape[0], inputs[u].shape[1], times=steps),
        )

    def cost(self, inputs: Specs, outputs: Specs) -> Cost:
        w, u = (inputs[position] for position in self.matrices)
        x, h = inputs[:2]
        others, biases = len(self.states) - 1, len(self.biases)
        tokens, steps = x.size // x.shape[-1], x.shape[1] if self.has_loop else 1
        gates, hidden = tokens * w.shape[1], tokens * h.shape[1]
        once = Work(1, 2 * tokens * w.size, elements(x, w) + gates)
        step = Work(1, 2 * h.shape[0] * u.size, elements(h, u) + gates // steps)
        forward = Work(elements=2 * gates + 2 * hidden)
        backward = Work(elements=3 * gates + 4 * hidden)
        # Every gradient needs the way back through the states; the step before the first is h's own gradient.
        weight = sum([step] * steps, backward)
        bias = Work(elements=gates)
        return Cost(
            sum([step] * steps, once + forward),
            (once, step, *[Work()] * others, once, weight, *[bias] * biases),
            shared=sum([step] * (steps - 1), Work()),
        )


class _LSTM(_Recurrent):
    gates, states, biases = 4, ("h", "c"), ("b",)
    weights, matrices = (3, 4, 5), (3, 4)


class _GRU(_Recurrent):
    gates, states, biases = 3, ("h",), ("b", "d")
    weights, matrices = (2, 3, 4, 5), (2, 3)


class lstm_cell(_LSTM):
    """One step of an LSTM with a forget gate (Gers et al. 2000): x [batch, inputs] and states h, c to the next h, c.

    w [inputs, 4 width], u [width, 4 width] and b [4 width] hold input, forget, cell and output gate, in this order.
    """

    def shape(self, x: Spec, h: Spec, c: Spec, w: Spec, u: Spec, b: Spec) -> Specs:
        self._require(("batch", "inputs"), x, h, c, w, u, b)
        return Spec(h.shape), Spec(h.shape)

    def forward(self, xp: Primitives, x: Array, h: Array, c: Array, w: Array, u: Array, b: Array) -> Forward:
        h, c, kept = lstm_step(xp, xp.matmul(x, w) + xp.matmul(h, u) + b, c)
        return (h, c), lambda: kept

    def backward(self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants) -> Gradients:
        x, h, _, w, u, _ = inputs
        dh, dc = grad
        dgates, dc = lstm_step_backward(xp, dh, dc, local)
        dx, dw, db = input_gradients(xp, dgates, x, w, wants[0], wants[3], wants[5])
        dh = xp.matmul(dgates, transposed(xp, u)) if wants[1] else None
        du = xp.matmul(transposed(xp, h), dgates) if wants[4] else None
        return dx, dh, dc, dw, du, db


class lstm(_LSTM):
    """`lstm_cell` over x [batch, tokens, inputs] from the states h and c: every h, [batch, tokens, width]."""

    has_loop = True

    def shape(self, x: Spec, h: Spec, c: Spec, w: Spec, u: Spec, b: Spec) -> Spec:
        self._require(("batch", "tokens", "inputs"), x, h, c, w, u, b)
        return Spec((*x.shape[:2], h.shape[1]))

    def forward(self, xp: Primitives, x: Array, h: Array, c: Array, w: Array, u: Array, b: Array) -> Forward:
        projected = xp.matmul(x, w) + b
        outputs: list[Array] = []
        steps: list[Array] = []
        for t in range(x.shape[1]):
            before = h
            h, c, kept = lstm_step(xp, projected[:, t] + xp.matmul(h, u), c)
            outputs.append(h)
            steps += [*kept, before]
        return xp.stack(outputs, 1), lambda: tuple(steps)

    def backward(self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants) -> Gradients:
        x, _, _, w, u, _ = inputs
        each = len(local) // x.shape[1]
        dh = dc = xp.zeros(grad[:, 0].shape, grad)
        du = None
        dgates: list[Array] = []
        for t in reversed(range(x.shape[1])):
            *kept, before = local[t * each : (t + 1) * each]
            here, dc = lstm_step_backward(xp, grad[:, t] + dh, dc, tuple(kept))
            if t or wants[1]:
                dh = xp.matmul(here, transposed(xp, u))
            if wants[4]:
                step = xp.matmul(transposed(xp, before), here)
                du = step if du is None else du + step
            dgates.insert(0, here)
        dx, dw, db = input_gradients(xp, xp.stack(dgates, 1), x, w, wants[0], wants[3], wants[5])
        return dx, (dh if wants[1] else None), dc, dw, du, db


class gru_cell(_GRU):
    """One step of a GRU (Cho et al. 2014) that resets after the product, as cuDNN has it: x and state h to the next h.

    w [inputs, 3 width], u [width, 3 width] hold reset gate, update gate and candidate; b and d [3 width] are the
    biases of the products with the input and with the state.
    """

    def shape(self, x: Spec, h: Spec, w: Spec, u: Spec, b: Spec, d: Spec) -> Spec:
        self._require(("batch", "inputs"), x, h, w, u, b, d)
        return Spec(h.shape)

    def forward(self, xp: Primitives, x: Array, h: Array, w: Array, u: Array, b: Array, d: Array) -> Forward:
        after, kept = gru_step(xp, xp.matmul(x, w) + b, xp.matmul(h, u) + d, h)
        return after, lambda: kept

    def backward(self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants) -> Gradients:
        x, h, w, u, _, _ = inputs
        inner, outer, dh = gru_step_backward(xp, grad, local)
        dx, dw, db = input_gradients(xp, inner, x, w, wants[0], wants[2], wants[4])
        through, du, dd = input_gradients(xp, outer, h, u, wants[1], wants[3], wants[5])
        return dx, (dh + through if wants[1] else None), dw, du, db, dd


class gru(_GRU):
    """`gru_cell` over x [batch, tokens, inputs] from the state h: every h, [batch, tokens, width]."""

    has_loop = True

    def shape(self, x: Spec, h: Spec, w: Spec, u: Spec, b: Spec, d: Spec) -> Spec:
        self._require(("batch", "tokens", "inputs"), x, h, w, u, b, d)
        return Spec((*x.shape[:2], h.shape[1]))

    def forward(self, xp: Primitives, x: Array, h: Array, w: Array, u: Array, b: Array, d: Array) -> Forward:
        projected = xp.matmul(x, w) + b
        outputs: list[Array] = []
        steps: list[Array] = []
        for t in range(x.shape[1]):
            h, kept = gru_step(xp, projected[:, t], xp.matmul(h, u) + d, h)
            outputs.append(h)
            steps += kept
        return xp.stack(outputs, 1), lambda: tuple(steps)

    def backward(self, xp: Primitives, grad: Array, local: Arrays, inputs: Arrays, wants: Wants) -> Gradients:
        x, _, w, u, _, _ = inputs
        each = len(local) // x.shape[1]
        dh = xp.zeros(grad[:, 0].shape, grad)
        du = None
        inner: list[Array] = []
        outer: list[Array] = []
        for t in reversed(range(x.shape[1])):
            kept = local[t * each : (t + 1) * each]
            of_input, of_state, dh = gru_step_backward(xp, grad[:, t] + dh, kept)
            if t or wants[1]:
                dh = dh + xp.matmul(of_state, transposed(xp, u))
            if wants[3]:
                step = xp.matmul(transposed(xp, kept[-1]), of_state)
                du = step if du is None else du + step
            inner.insert(0, of_input)
            outer.insert(0, of_state)
        dx, dw, db = input_gradients(xp, xp.stack(inner, 1), x, w, wants[0], wants[2], wants[4])
        dd = xp.sum(rows(xp, xp.stack(outer, 1)), axis=0) if wants[5] else None
        return dx, (dh if wants[1] else None), dw, du, db, dd
