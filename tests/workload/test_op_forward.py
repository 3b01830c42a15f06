"""The forward maths of every op against a second, slower writing of it: loops and scalar functions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.workload import primitives
from harness.workload.ops import CATALOGUE
from tests.op_cases import CASES


def linear(x, w, b=None):
    return np.einsum("...i,io->...o", x, w) + (0 if b is None else b)


def tied_linear(x, table):
    return np.einsum("...i,oi->...o", x, table)


def conv2d(x, w, b=None, *, stride=1, padding=0, groups=1):
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


def batch_norm(x, scale, shift, *, eps):
    axes = tuple(range(x.ndim - 1))
    return (x - x.mean(axes)) / np.sqrt(x.var(axes) + eps) * scale + shift


def batch_norm_inference(x, scale, shift, mean, variance, *, eps):
    return (x - mean) / np.sqrt(variance + eps) * scale + shift


def layer_norm(x, scale, shift, *, eps):
    rows = [(row - row.mean()) / math.sqrt(row.var() + eps) * scale + shift for row in x.reshape(-1, x.shape[-1])]
    return np.array(rows).reshape(x.shape)


def attention(q, k, v, *, heads, causal):
    y = np.zeros_like(q)
    batch, positions, width = q.shape
    d = width // heads
    for n, head, i in np.ndindex(batch, heads, positions):
        part = slice(head * d, (head + 1) * d)
        seen = range(i + 1) if causal else range(positions)
        weights = [math.exp(q[n, i, part] @ k[n, j, part] / math.sqrt(d)) for j in seen]
        y[n, i, part] = sum(weight * v[n, j, part] for weight, j in zip(weights, seen, strict=True)) / sum(weights)
    return y


def relu(x):
    return np.vectorize(lambda value: max(value, 0.0))(x)


def gelu(x):
    def one(value):
        return value / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (value + 0.044715 * value**3)))

    return np.vectorize(one)(x)


def add(a, b):
    return a + np.broadcast_to(b, a.shape)


def max_pool(x, *, size, stride, padding=0):
    n, height, width, channels = x.shape
    rows, columns = (height + 2 * padding - size) // stride + 1, (width + 2 * padding - size) // stride + 1
    y = np.zeros((n, rows, columns, channels))
    for row, column in np.ndindex(rows, columns):
        top, left = row * stride - padding, column * stride - padding
        window = x[:, max(top, 0) : top + size, max(left, 0) : left + size]
        y[:, row, column] = window.max(axis=(1, 2))
    return y


def global_avg_pool(x):
    return np.array([[image[..., c].mean() for c in range(x.shape[-1])] for image in x])


def embedding(table, ids):
    return np.array([table[i] for i in ids.ravel()]).reshape(*ids.shape, -1)


def split(x, *, parts):
    n = x.shape[-1] // parts
    return tuple(x[..., i * n : (i + 1) * n] for i in range(parts))


def cross_entropy(logits, labels):
    rows = zip(logits.reshape(-1, logits.shape[-1]), labels.ravel(), strict=True)
    return np.mean([math.log(sum(math.exp(x) for x in row)) - row[label] for row, label in rows])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_forward_is_the_textbook_formula(case):
    arrays = case.arrays()
    found, _ = CATALOGUE[case.op].forward(primitives, *arrays, **case.attrs)
    expected = globals()[case.op](*arrays, **case.attrs)
    if not isinstance(found, tuple):
        found, expected = (found,), (expected,)
    for part, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(part, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("op", ["softmax", "log_softmax"])
def test_large_logits_do_not_overflow(op):
    found = getattr(primitives, op)(np.array([[1e4, 1e4, -1e4]]))
    assert np.isfinite(found).all()
