"""The array primitives that the catalogue's rules are written in, in NumPy."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy import (  # noqa: F401  (part of the primitives)
    broadcast_to,
    exp,
    matmul,
    maximum,
    mean,
    minimum,
    reshape,
    sum,
    tanh,
    transpose,
    where,
)
from numpy.lib.stride_tricks import sliding_window_view

Shape = tuple[int, ...]


def zeros(shape: Shape, like: np.ndarray) -> np.ndarray:
    """Zeros in the type of `like`."""
    return np.zeros(shape, like.dtype)


def step(x: np.ndarray) -> np.ndarray:
    """1 where x > 0, else 0."""
    return (x > 0).astype(x.dtype)


def erf(x: np.ndarray) -> np.ndarray:
    """The error function of each element. NumPy has none; the standard library's takes one number at a time."""
    return np.fromiter(map(math.erf, x.flat), x.dtype, x.size).reshape(x.shape)


def rsqrt(x: np.ndarray) -> np.ndarray:
    reciprocal: np.ndarray = 1 / np.sqrt(x)
    return reciprocal


def take(table: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Rows of `table` at `ids`."""
    rows: np.ndarray = table[ids]
    return rows


def scatter_add(shape: Shape, ids: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Zeros of `shape`, with each row of `values` added at its id."""
    out = np.zeros(shape, values.dtype)
    np.add.at(out, ids.reshape(-1), values.reshape(-1, shape[-1]))
    return out


def pick(x: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """x[..., ids]: one element of each row."""
    return np.take_along_axis(x, ids[..., None].astype(np.int64), axis=-1)[..., 0]


def one_hot(ids: np.ndarray, n: int, like: np.ndarray) -> np.ndarray:
    """[..., n] with 1 at each id, in the type of `like`."""
    rows = np.zeros((*ids.shape, n), like.dtype)
    np.put_along_axis(rows, ids[..., None].astype(np.int64), 1, axis=-1)
    return rows


def split(x: np.ndarray, parts: int) -> tuple[np.ndarray, ...]:
    """Equal parts of the last axis."""
    return tuple(np.split(x, parts, axis=-1))


def concatenate(parts: Sequence[np.ndarray], axis: int = -1) -> np.ndarray:
    """The inverse of `split`, or along another axis."""
    return np.concatenate(parts, axis=axis)


def stack(parts: Sequence[np.ndarray], axis: int) -> np.ndarray:
    """Arrays of one shape, along a new axis."""
    return np.stack(parts, axis=axis)


def below_diagonal(x: np.ndarray) -> np.ndarray:
    """[..., n, n] as [..., n (n - 1) / 2]: the elements below the diagonal, row by row."""
    return x[(..., *np.tril_indices(x.shape[-1], -1))]


def from_below_diagonal(values: np.ndarray, n: int) -> np.ndarray:
    """The inverse of `below_diagonal`, with zeros elsewhere."""
    out = np.zeros((*values.shape[:-1], n, n), values.dtype)
    out[(..., *np.tril_indices(n, -1))] = values
    return out


def log_softmax(x: np.ndarray) -> np.ndarray:
    shifted = x - np.max(x, axis=-1, keepdims=True)
    logarithms: np.ndarray = shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))
    return logarithms


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    weights: np.ndarray = e / np.sum(e, axis=-1, keepdims=True)
    return weights


def causal(scores: np.ndarray) -> np.ndarray:
    """Scores [..., q, k] with -inf where k > q."""
    return np.where(np.tri(*scores.shape[-2:], dtype=np.bool_), scores, -np.inf)


def _pad(x: np.ndarray, padding: int, value: float = 0.0) -> np.ndarray:
    return np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)), constant_values=value)


def _windows(x: np.ndarray, kh: int, kw: int, stride: int) -> np.ndarray:
    """[N, H, W, C] as windows [N, OH, OW, C, kh, kw] (a view)."""
    return sliding_window_view(x, (kh, kw), (1, 2))[:, ::stride, ::stride]


def conv2d(x: np.ndarray, w: np.ndarray, stride: int, padding: int, groups: int) -> np.ndarray:
    """x [N, H, W, C], w [kh, kw, C / groups, out]: [N, OH, OW, out]."""
    kh, kw, channels, _ = w.shape
    windows = _windows(_pad(x, padding), kh, kw, stride)
    parts = [
        np.tensordot(windows[:, :, :, g * channels : (g + 1) * channels], part, ((3, 4, 5), (2, 0, 1)))
        for g, part in enumerate(np.split(w, groups, axis=-1))
    ]
    return np.concatenate(parts, axis=-1)


def conv2d_dw(grad: np.ndarray, x: np.ndarray, w_shape: Shape, stride: int, padding: int, groups: int) -> np.ndarray:
    """Gradient for the weight: each tap is the product of the input it saw with the output's gradient."""
    kh, kw, channels, _ = w_shape
    _, height, width, _ = grad.shape
    windows = _windows(_pad(x, padding), kh, kw, stride)[:, :height, :width]
    parts = [
        np.tensordot(windows[:, :, :, g * channels : (g + 1) * channels], part, ((0, 1, 2), (0, 1, 2)))
        for g, part in enumerate(np.split(grad, groups, axis=-1))
    ]
    return np.concatenate(parts, axis=-1).transpose(1, 2, 0, 3)


def conv2d_dx(grad: np.ndarray, w: np.ndarray, x_shape: Shape, stride: int, padding: int, groups: int) -> np.ndarray:
    """Gradient for the input: each output's gradient goes back through the taps that made it."""
    kh, kw = w.shape[:2]
    n, height, width, _ = grad.shape
    padded = np.zeros((n, x_shape[1] + 2 * padding, x_shape[2] + 2 * padding, x_shape[3]), grad.dtype)
    grads, weights = np.split(grad, groups, axis=-1), np.split(w, groups, axis=-1)
    for i in range(kh):
        for j in range(kw):
            tap = np.concatenate([g @ p[i, j].T for g, p in zip(grads, weights, strict=True)], axis=-1)
            padded[:, i : i + stride * height : stride, j : j + stride * width : stride] += tap
    return padded[:, padding : padding + x_shape[1], padding : padding + x_shape[2]]


def max_pool2d(x: np.ndarray, size: int, stride: int, padding: int) -> np.ndarray:
    largest: np.ndarray = _windows(_pad(x, padding, -np.inf), size, size, stride).max(axis=(-2, -1))
    return largest


def max_pool2d_dx(grad: np.ndarray, x: np.ndarray, y: np.ndarray, size: int, stride: int, padding: int) -> np.ndarray:
    """The gradient goes to the first element of each window that equals its maximum."""
    _, height, width, _ = grad.shape
    padded = _pad(x, padding, -np.inf)
    out = np.zeros_like(padded)
    free = np.ones(y.shape, bool)
    for i in range(size):
        for j in range(size):
            tap = np.s_[:, i : i + stride * height : stride, j : j + stride * width : stride]
            wins = free & (padded[tap] == y)
            out[tap] += grad * wins
            free &= ~wins
    return out[:, padding : padding + x.shape[1], padding : padding + x.shape[2]]


def avg_pool2d(x: np.ndarray, size: int, stride: int) -> np.ndarray:
    means: np.ndarray = _windows(x, size, size, stride).mean(axis=(-2, -1))
    return means


def avg_pool2d_dx(grad: np.ndarray, x_shape: Shape, size: int, stride: int) -> np.ndarray:
    """Each output's gradient goes to all elements of its window alike."""
    _, height, width, _ = grad.shape
    out = np.zeros(x_shape, grad.dtype)
    for i, j in np.ndindex(size, size):
        out[:, i : i + stride * height : stride, j : j + stride * width : stride] += grad / (size * size)
    return out
