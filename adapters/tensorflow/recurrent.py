"""Recurrent ops in TensorFlow: cells, and `tf.while_loop` over a sequence.

TensorFlow differentiates a loop through lists of tensors, which a program compiled by XLA cannot hand over from its
forward to its backward part. So a loop here has its gradient written out: it keeps arrays, and the gradient for the
state's weight is one multiply after the loop, as in a fused kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

Tensor = Any


def lstm_cell(x: Tensor, h: Tensor, c: Tensor, w: Tensor, u: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    h, c, _ = _lstm_state(tf.nn.bias_add(tf.matmul(x, w) + tf.matmul(h, u), b), c)
    return h, c


def lstm(x: Tensor, h: Tensor, c: Tensor, w: Tensor, u: Tensor, b: Tensor) -> Tensor:
    return _batch_first(_lstm_loop(_project(x, w, b), h, c, u))


def gru_cell(x: Tensor, h: Tensor, w: Tensor, u: Tensor, b: Tensor, d: Tensor) -> Tensor:
    return _gru_state(tf.nn.bias_add(tf.matmul(x, w), b), tf.nn.bias_add(tf.matmul(h, u), d), h)[0]


def gru(x: Tensor, h: Tensor, w: Tensor, u: Tensor, b: Tensor, d: Tensor) -> Tensor:
    return _batch_first(_gru_loop(_project(x, w, b), h, u, d))


def _project(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """The products of all inputs, [tokens, batch, gates]: one multiply, and a loop that reads whole rows."""
    batch, tokens, width = x.shape
    rows = tf.reshape(tf.transpose(x, (1, 0, 2)), (-1, width))
    return tf.reshape(tf.nn.bias_add(tf.matmul(rows, w), b), (tokens, batch, w.shape[1]))


def _batch_first(y: Tensor) -> Tensor:
    return tf.transpose(y, (1, 0, 2))


def _lstm_state(gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The next h and c, and the gates after their functions."""
    i, f, g, o = tf.split(gates, 4, axis=1)
    i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
    c = f * c + i * g
    return o * tf.tanh(c), c, tf.concat((i, f, g, o), axis=1)


def _gru_state(inner: Tensor, outer: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    """The next h, and the gates after their functions with the candidate's part of the state's product."""
    (r, z, n), (hr, hz, hn) = tf.split(inner, 3, axis=1), tf.split(outer, 3, axis=1)
    r, z = tf.sigmoid(r + hr), tf.sigmoid(z + hz)
    n = tf.tanh(n + r * hn)
    return n + z * (h - n), tf.concat((r, z, n, hn), axis=1)


@tf.custom_gradient
def _lstm_loop(projected: Tensor, h: Tensor, c: Tensor, u: Tensor) -> tuple[Tensor, Any]:
    def step(t: Tensor, h: Tensor, c: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        h, c, gates = _lstm_state(projected[t] + tf.matmul(h, u), c)
        return (h, c), (h, c, gates)

    steps = projected.shape[0]
    _, (hs, cs, gates) = _loop(range(steps), step, (h, c), (h.shape, c.shape, projected.shape[1:]))

    def gradient(dy: Tensor) -> tuple[Tensor, ...]:
        before = _before(cs, c)

        def back(t: Tensor, dh: Tensor, dc: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
            i, f, g, o = tf.split(gates[t], 4, axis=1)
            bent = tf.tanh(cs[t])
            dh += dy[t]
            dc += dh * o * (1 - bent * bent)
            dgates = tf.concat(
                (dc * g * i * (1 - i), dc * before[t] * f * (1 - f), dc * i * (1 - g * g), dh * bent * o * (1 - o)),
                axis=1,
            )
            return (tf.matmul(dgates, u, transpose_b=True), dc * f), (dgates,)

        none = tf.zeros_like(h)
        (dh, dc), (dgates,) = _loop(range(steps)[::-1], back, (none, none), (projected.shape[1:],))
        return dgates, dh, dc, _weight_gradient(_before(hs, h), dgates)

    return hs, gradient


@tf.custom_gradient
def _gru_loop(projected: Tensor, h: Tensor, u: Tensor, d: Tensor) -> tuple[Tensor, Any]:
    def step(t: Tensor, h: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        h, gates = _gru_state(projected[t], tf.nn.bias_add(tf.matmul(h, u), d), h)
        return (h,), (h, gates)

    steps = projected.shape[0]
    _, (hs, gates) = _loop(range(steps), step, (h,), (h.shape, (h.shape[0], 4 * h.shape[1])))

    def gradient(dy: Tensor) -> tuple[Tensor, ...]:
        before = _before(hs, h)

        def back(t: Tensor, dh: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
            r, z, n, hn = tf.split(gates[t], 4, axis=1)
            dh += dy[t]
            dn = dh * (1 - z) * (1 - n * n)
            dz = dh * (before[t] - n) * z * (1 - z)
            dr = dn * hn * r * (1 - r)
            inner, outer = tf.concat((dr, dz, dn), axis=1), tf.concat((dr, dz, dn * r), axis=1)
            return (dh * z + tf.matmul(outer, u, transpose_b=True),), (inner, outer)

        (dh,), (inner, outer) = _loop(range(steps)[::-1], back, (tf.zeros_like(h),), [projected.shape[1:]] * 2)
        return inner, dh, _weight_gradient(before, outer), tf.reduce_sum(outer, axis=(0, 1))

    return hs, gradient


def _loop(
    steps: range,
    step: Callable[..., tuple[Sequence[Tensor], Sequence[Tensor]]],
    states: Sequence[Tensor],
    shapes: Sequence[Any],
) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    """Runs `step(t, *states)` for each t: the last states, and what the steps put out, stacked in the order of t.

    `shapes` are those of what one step puts out.
    """
    count, down = len(steps), steps.step < 0
    arrays = [tf.TensorArray(states[0].dtype, count, element_shape=shape) for shape in shapes]

    def body(done: Tensor, states: Sequence[Tensor], arrays: Sequence[Any]) -> tuple[Any, ...]:
        t = count - 1 - done if down else done
        states, outputs = step(t, *states)
        return done + 1, list(states), [a.write(t, o) for a, o in zip(arrays, outputs, strict=True)]

    # Without maximum_iterations, which would hide the number of trips from XLA.
    start = tf.constant(0), list(states), arrays
    _, states, arrays = tf.while_loop(lambda done, *_: done < count, body, start)
    return states, [array.stack() for array in arrays]


def _before(states: Tensor, first: Tensor) -> Tensor:
    """The state before each step."""
    return tf.concat((first[tf.newaxis], states[:-1]), axis=0)


def _weight_gradient(states: Tensor, dgates: Tensor) -> Tensor:
    rows, columns = (tf.reshape(x, (-1, x.shape[-1])) for x in (states, dgates))
    return tf.matmul(rows, columns, transpose_a=True)
