"""An independent, slower version of the ops: loops and scalar functions, as in a textbook, by the names of the ops."""

from __future__ import annotations

import math
import statistics
from typing import Any

import numpy as np

Array = np.ndarray


def linear(x: Array, w: Array, b: Array | None = None) -> Array:
    return np.einsum("...i,io->...o", x, w) + (0 if b is None else b)


def tied_linear(x: Array, table: Array) -> Array:
    return np.einsum("...i,oi->...o", x, table)


def conv2d(x: Array, w: Array, b: Array | None = None, *, stride: int = 1, padding: int = 0, groups: int = 1) -> Array:
    n, height, width, _ = x.shape
    kh, kw, per_group, out = w.shape
    rows, columns = (height + 2 * padding - kh) // stride + 1, (width + 2 * padding - kw) // stride + 1
    y = np.zeros((n, rows, columns, out)) + (0 if b is None else b)
    for row, column, i, j, c, o in np.ndindex(rows, columns, kh, kw, per_group, out):
        h, v = row * stride + i - padding, column * stride + j - padding
        if 0 <= h < height and 0 <= v < width:
            group = o // (out // groups)
            y[:, row, column, o] += x[:, h, v, group * per_group + c] * w[i, j, c, o]
    return y


def batch_norm(x: Array, scale: Array, shift: Array, *, eps: float) -> Array:
    axes = tuple(range(x.ndim - 1))
    return (x - x.mean(axes)) / np.sqrt(x.var(axes) + eps) * scale + shift


def batch_norm_inference(x: Array, scale: Array, shift: Array, mean: Array, variance: Array, *, eps: float) -> Array:
    return (x - mean) / np.sqrt(variance + eps) * scale + shift


def layer_norm(x: Array, scale: Array, shift: Array, *, eps: float) -> Array:
    rows = [(row - row.mean()) / math.sqrt(row.var() + eps) * scale + shift for row in x.reshape(-1, x.shape[-1])]
    return np.array(rows).reshape(x.shape)


def attention(
    q: Array, k: Array, v: Array, mask: Array | None = None, *, heads: int, causal: bool, kv_heads: int | None = None
) -> Array:
    y = np.zeros_like(q)
    batch, positions, width = q.shape
    d = width // heads
    bias = np.zeros((heads, positions, positions)) if mask is None or mask.ndim == 2 else mask
    for n, head, i in np.ndindex(batch, heads, positions):
        shared = head * (kv_heads or heads) // heads
        part, kv_part = (slice(h * d, (h + 1) * d) for h in (head, shared))
        earlier = range(i + 1) if causal else range(positions)
        seen = [j for j in earlier if mask is None or mask.ndim == 3 or mask[n, j]]
        weights = [math.exp(q[n, i, part] @ k[n, j, kv_part] / math.sqrt(d) + bias[head, i, j]) for j in seen]
        y[n, i, part] = sum(weight * v[n, j, kv_part] for weight, j in zip(weights, seen, strict=True)) / sum(weights)
    return y


def relu(x: Array) -> Array:
    return np.vectorize(lambda value: max(value, 0.0))(x)


def gelu(x: Array, *, approximate: bool = True) -> Array:
    def one(value: Any) -> Any:
        if not approximate:
            return value * statistics.NormalDist().cdf(value)
        return value / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (value + 0.044715 * value**3)))

    return np.vectorize(one)(x)


def add(a: Array, b: Array) -> Array:
    return a + np.broadcast_to(b, a.shape)


def max_pool(x: Array, *, size: int, stride: int, padding: int = 0) -> Array:
    n, height, width, channels = x.shape
    rows, columns = (height + 2 * padding - size) // stride + 1, (width + 2 * padding - size) // stride + 1
    y = np.zeros((n, rows, columns, channels))
    for row, column in np.ndindex(rows, columns):
        top, left = row * stride - padding, column * stride - padding
        window = x[:, max(top, 0) : top + size, max(left, 0) : left + size]
        y[:, row, column] = window.max(axis=(1, 2))
    return y


def global_avg_pool(x: Array) -> Array:
    return np.array([[image[..., c].mean() for c in range(x.shape[-1])] for image in x])


def embedding(table: Array, ids: Array) -> Array:
    return np.array([table[i] for i in ids.ravel()]).reshape(*ids.shape, -1)


def split(x: Array, *, parts: int) -> tuple[Array, ...]:
    n = x.shape[-1] // parts
    return tuple(x[..., i * n : (i + 1) * n] for i in range(parts))


def cross_entropy(logits: Array, labels: Array) -> float:
    rows = zip(logits.reshape(-1, logits.shape[-1]), labels.ravel(), strict=True)
    return np.mean([math.log(sum(math.exp(x) for x in row)) - row[label] for row, label in rows])


def rms_norm(x: Array, scale: Array, *, eps: float) -> Array:
    rows = [row / math.sqrt((row**2).mean() + eps) * scale for row in x.reshape(-1, x.shape[-1])]
    return np.array(rows).reshape(x.shape)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def tanh(x: Array) -> Array:
    return np.vectorize(math.tanh)(x)


def silu(x: Array) -> Array:
    return x * sigmoid(x)


def conv_transpose2d(x: Array, w: Array, b: Array | None = None, *, stride: int) -> Array:
    n, height, width, _ = x.shape
    kh, kw, out, _ = w.shape
    y = np.zeros((n, (height - 1) * stride + kh, (width - 1) * stride + kw, out)) + (0 if b is None else b)
    for row, column, i, j in np.ndindex(height, width, kh, kw):
        y[:, row * stride + i, column * stride + j] += x[:, row, column] @ w[i, j].T
    return y


def group_norm(x: Array, scale: Array, shift: Array, *, groups: int, eps: float) -> Array:
    y = np.empty_like(x)
    width = x.shape[-1] // groups
    for n, group in np.ndindex(len(x), groups):
        part = np.s_[n, :, :, group * width : (group + 1) * width]
        y[part] = (x[part] - x[part].mean()) / math.sqrt(x[part].var() + eps)
    return y * scale + shift


def relu6(x: Array) -> Array:
    return np.clip(x, 0, 6)


def leaky_relu(x: Array, *, slope: float) -> Array:
    return np.where(x > 0, x, slope * x)


def hard_swish(x: Array) -> Array:
    return x * np.clip(x / 6 + 0.5, 0, 1)


def avg_pool(x: Array, *, size: int, stride: int) -> Array:
    rows, columns = ((n - size) // stride + 1 for n in x.shape[1:3])
    y = np.zeros((x.shape[0], rows, columns, x.shape[3]))
    for row, column in np.ndindex(rows, columns):
        top, left = row * stride, column * stride
        y[:, row, column] = x[:, top : top + size, left : left + size].mean(axis=(1, 2))
    return y


def upsample(x: Array, *, factor: int) -> Array:
    return x.repeat(factor, axis=1).repeat(factor, axis=2)


def concatenate(*arrays: Array, axis: int) -> Array:
    return np.concatenate(arrays, axis)


def flatten(x: Array) -> Array:
    return np.array([[x[n, h, w, c] for h, w, c in np.ndindex(x.shape[1:])] for n in range(len(x))])


def multiply(a: Array, b: Array) -> Array:
    return a * np.broadcast_to(b, a.shape)


def dropout(x: Array, mask: Array, *, rate: float) -> Array:
    return np.array([value / (1 - rate) if kept else 0 for value, kept in zip(x.flat, mask.flat, strict=True)]).reshape(
        x.shape
    )


def rotary(x: Array, cosines: Array, sines: Array, *, heads: int) -> Array:
    """Pairs as complex numbers, turned by multiplication."""
    batch, tokens, width = x.shape
    pairs = width // heads // 2
    y = np.zeros_like(x)
    for n, t, head, i in np.ndindex(batch, tokens, heads, pairs):
        first, second = head * 2 * pairs + i, head * 2 * pairs + pairs + i
        turned = complex(x[n, t, first], x[n, t, second]) * complex(cosines[t, i], sines[t, i])
        y[n, t, first], y[n, t, second] = turned.real, turned.imag
    return y


def image_tokens(x: Array) -> Array:
    return np.array([[image[i, j] for i in range(x.shape[1]) for j in range(x.shape[2])] for image in x])


def transpose_tokens(x: Array) -> Array:
    return np.swapaxes(x, 1, 2)


def mean_tokens(x: Array) -> Array:
    return sum(x[:, t] for t in range(x.shape[1])) / x.shape[1]


def unstack_tokens(x: Array) -> tuple[Array, ...]:
    return tuple(np.swapaxes(x, 0, 1))


def stack_tokens(*tokens: Array) -> Array:
    return np.array(tokens).swapaxes(0, 1)


def class_token(x: Array, token: Array) -> Array:
    return np.array([[token, *sequence] for sequence in x])


def first_token(x: Array) -> Array:
    return np.array([sequence[0] for sequence in x])


def lstm_cell(x: Array, h: Array, c: Array, w: Array, u: Array, b: Array) -> tuple[Array, ...]:
    width = h.shape[1]
    i, f, g, o = ((x @ w + h @ u + b)[:, n * width : (n + 1) * width] for n in range(4))
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def lstm(x: Array, h: Array, c: Array, w: Array, u: Array, b: Array) -> Array:
    y = []
    for t in range(x.shape[1]):
        h, c = lstm_cell(x[:, t], h, c, w, u, b)
        y.append(h)
    return np.array(y).swapaxes(0, 1)


def gru_cell(x: Array, h: Array, w: Array, u: Array, b: Array, d: Array) -> Array:
    width = h.shape[1]
    (xr, xz, xn), (hr, hz, hn) = (
        [product[:, n * width : (n + 1) * width] for n in range(3)] for product in (x @ w + b, h @ u + d)
    )
    z = sigmoid(xz + hz)
    return (1 - z) * np.tanh(xn + sigmoid(xr + hr) * hn) + z * h


def gru(x: Array, h: Array, w: Array, u: Array, b: Array, d: Array) -> Array:
    y = []
    for t in range(x.shape[1]):
        h = gru_cell(x[:, t], h, w, u, b, d)
        y.append(h)
    return np.array(y).swapaxes(0, 1)


def dot_interaction(*vectors: Array) -> Array:
    pairs = [(vectors[i] * vectors[j]).sum(1) for i in range(len(vectors)) for j in range(i)]
    return np.column_stack([vectors[0], *pairs])


def mse(a: Array, b: Array) -> float:
    return sum((p - q) ** 2 for p, q in zip(a.ravel(), b.ravel(), strict=True)) / a.size
