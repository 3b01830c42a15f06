"""A second, slower writing of the ops: loops and scalar functions, as in a textbook. One function has an op's name."""

from __future__ import annotations

import math
import statistics
from typing import Any

import numpy as np


def linear(x: Any, w: Any, b: Any = None) -> Any:
    return np.einsum("...i,io->...o", x, w) + (0 if b is None else b)


def tied_linear(x: Any, table: Any) -> Any:
    return np.einsum("...i,oi->...o", x, table)


def conv2d(x: Any, w: Any, b: Any = None, *, stride: Any = 1, padding: Any = 0, groups: Any = 1) -> Any:
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


def batch_norm(x: Any, scale: Any, shift: Any, *, eps: Any) -> Any:
    axes = tuple(range(x.ndim - 1))
    return (x - x.mean(axes)) / np.sqrt(x.var(axes) + eps) * scale + shift


def batch_norm_inference(x: Any, scale: Any, shift: Any, mean: Any, variance: Any, *, eps: Any) -> Any:
    return (x - mean) / np.sqrt(variance + eps) * scale + shift


def layer_norm(x: Any, scale: Any, shift: Any, *, eps: Any) -> Any:
    rows = [(row - row.mean()) / math.sqrt(row.var() + eps) * scale + shift for row in x.reshape(-1, x.shape[-1])]
    return np.array(rows).reshape(x.shape)


def attention(q: Any, k: Any, v: Any, mask: Any = None, *, heads: Any, causal: Any, kv_heads: Any = None) -> Any:
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


def relu(x: Any) -> Any:
    return np.vectorize(lambda value: max(value, 0.0))(x)


def gelu(x: Any, *, approximate: Any = True) -> Any:
    def one(value: Any) -> Any:
        if not approximate:
            return value * statistics.NormalDist().cdf(value)
        return value / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (value + 0.044715 * value**3)))

    return np.vectorize(one)(x)


def add(a: Any, b: Any) -> Any:
    return a + np.broadcast_to(b, a.shape)


def max_pool(x: Any, *, size: int, stride: Any, padding: Any = 0) -> Any:
    n, height, width, channels = x.shape
    rows, columns = (height + 2 * padding - size) // stride + 1, (width + 2 * padding - size) // stride + 1
    y = np.zeros((n, rows, columns, channels))
    for row, column in np.ndindex(rows, columns):
        top, left = row * stride - padding, column * stride - padding
        window = x[:, max(top, 0) : top + size, max(left, 0) : left + size]
        y[:, row, column] = window.max(axis=(1, 2))
    return y


def global_avg_pool(x: Any) -> Any:
    return np.array([[image[..., c].mean() for c in range(x.shape[-1])] for image in x])


def embedding(table: Any, ids: Any) -> Any:
    return np.array([table[i] for i in ids.ravel()]).reshape(*ids.shape, -1)


def split(x: Any, *, parts: Any) -> Any:
    n = x.shape[-1] // parts
    return tuple(x[..., i * n : (i + 1) * n] for i in range(parts))


def cross_entropy(logits: Any, labels: Any) -> Any:
    rows = zip(logits.reshape(-1, logits.shape[-1]), labels.ravel(), strict=True)
    return np.mean([math.log(sum(math.exp(x) for x in row)) - row[label] for row, label in rows])


def rms_norm(x: Any, scale: Any, *, eps: Any) -> Any:
    rows = [row / math.sqrt((row**2).mean() + eps) * scale for row in x.reshape(-1, x.shape[-1])]
    return np.array(rows).reshape(x.shape)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def tanh(x: Any) -> Any:
    return np.vectorize(math.tanh)(x)


def silu(x: Any) -> Any:
    return x * sigmoid(x)


def conv_transpose2d(x: Any, w: Any, b: Any = None, *, stride: Any) -> Any:
    n, height, width, _ = x.shape
    kh, kw, out, _ = w.shape
    y = np.zeros((n, (height - 1) * stride + kh, (width - 1) * stride + kw, out)) + (0 if b is None else b)
    for row, column, i, j in np.ndindex(height, width, kh, kw):
        y[:, row * stride + i, column * stride + j] += x[:, row, column] @ w[i, j].T
    return y


def group_norm(x: Any, scale: Any, shift: Any, *, groups: Any, eps: Any) -> Any:
    y = np.empty_like(x)
    width = x.shape[-1] // groups
    for n, group in np.ndindex(len(x), groups):
        part = np.s_[n, :, :, group * width : (group + 1) * width]
        y[part] = (x[part] - x[part].mean()) / math.sqrt(x[part].var() + eps)
    return y * scale + shift


def relu6(x: Any) -> Any:
    return np.clip(x, 0, 6)


def leaky_relu(x: Any, *, slope: Any) -> Any:
    return np.where(x > 0, x, slope * x)


def hard_swish(x: Any) -> Any:
    return x * np.clip(x / 6 + 0.5, 0, 1)


def avg_pool(x: Any, *, size: int, stride: Any) -> Any:
    rows, columns = ((n - size) // stride + 1 for n in x.shape[1:3])
    y = np.zeros((x.shape[0], rows, columns, x.shape[3]))
    for row, column in np.ndindex(rows, columns):
        top, left = row * stride, column * stride
        y[:, row, column] = x[:, top : top + size, left : left + size].mean(axis=(1, 2))
    return y


def upsample(x: Any, *, factor: Any) -> Any:
    return x.repeat(factor, axis=1).repeat(factor, axis=2)


def concatenate(*arrays: Any, axis: Any) -> Any:
    return np.concatenate(arrays, axis)


def flatten(x: Any) -> Any:
    return np.array([[x[n, h, w, c] for h, w, c in np.ndindex(x.shape[1:])] for n in range(len(x))])


def multiply(a: Any, b: Any) -> Any:
    return a * np.broadcast_to(b, a.shape)


def dropout(x: Any, mask: Any, *, rate: Any) -> Any:
    return np.array([value / (1 - rate) if kept else 0 for value, kept in zip(x.flat, mask.flat, strict=True)]).reshape(
        x.shape
    )


def rotary(x: Any, cosines: Any, sines: Any, *, heads: Any) -> Any:
    """Pairs as complex numbers, turned by multiplication."""
    batch, tokens, width = x.shape
    pairs = width // heads // 2
    y = np.zeros_like(x)
    for n, t, head, i in np.ndindex(batch, tokens, heads, pairs):
        first, second = head * 2 * pairs + i, head * 2 * pairs + pairs + i
        turned = complex(x[n, t, first], x[n, t, second]) * complex(cosines[t, i], sines[t, i])
        y[n, t, first], y[n, t, second] = turned.real, turned.imag
    return y


def image_tokens(x: Any) -> Any:
    return np.array([[image[i, j] for i in range(x.shape[1]) for j in range(x.shape[2])] for image in x])


def transpose_tokens(x: Any) -> Any:
    return np.swapaxes(x, 1, 2)


def mean_tokens(x: Any) -> Any:
    return sum(x[:, t] for t in range(x.shape[1])) / x.shape[1]


def unstack_tokens(x: Any) -> Any:
    return tuple(np.swapaxes(x, 0, 1))


def stack_tokens(*tokens: Any) -> Any:
    return np.array(tokens).swapaxes(0, 1)


def class_token(x: Any, token: Any) -> Any:
    return np.array([[token, *sequence] for sequence in x])


def first_token(x: Any) -> Any:
    return np.array([sequence[0] for sequence in x])


def lstm_cell(x: Any, h: Any, c: Any, w: Any, u: Any, b: Any) -> Any:
    width = h.shape[1]
    i, f, g, o = ((x @ w + h @ u + b)[:, n * width : (n + 1) * width] for n in range(4))
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def lstm(x: Any, h: Any, c: Any, w: Any, u: Any, b: Any) -> Any:
    y = []
    for t in range(x.shape[1]):
        h, c = lstm_cell(x[:, t], h, c, w, u, b)
        y.append(h)
    return np.array(y).swapaxes(0, 1)


def gru_cell(x: Any, h: Any, w: Any, u: Any, b: Any, d: Any) -> Any:
    width = h.shape[1]
    (xr, xz, xn), (hr, hz, hn) = (
        [product[:, n * width : (n + 1) * width] for n in range(3)] for product in (x @ w + b, h @ u + d)
    )
    z = sigmoid(xz + hz)
    return (1 - z) * np.tanh(xn + sigmoid(xr + hr) * hn) + z * h


def gru(x: Any, h: Any, w: Any, u: Any, b: Any, d: Any) -> Any:
    y = []
    for t in range(x.shape[1]):
        h = gru_cell(x[:, t], h, w, u, b, d)
        y.append(h)
    return np.array(y).swapaxes(0, 1)


def dot_interaction(*vectors: Any) -> Any:
    pairs = [(vectors[i] * vectors[j]).sum(1) for i in range(len(vectors)) for j in range(i)]
    return np.column_stack([vectors[0], *pairs])


def mse(a: Any, b: Any) -> Any:
    return sum((p - q) ** 2 for p, q in zip(a.ravel(), b.ravel(), strict=True)) / a.size
