"""The forward FLOPs of the cost table against XLA's own estimate, for programs that multiply most of the time.

XLA counts more and less than the table: it adds elementwise operations (norms, activations, softmax; a transcendental
is not a FLOP there), and it leaves out the taps of a convolution that fall on padding. The latter are
counted here and taken off the table first; the former is why the models must be wide. MobileNetV2 is not here: a
tenth of its operations are elementwise at any size.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from adapters.jax import ops
from harness.workload.cost import cost
from harness.workload.interpret import interpreter
from harness.workload.models import build
from harness.workload.trace import Graph, trace

CLOSE = 0.02


class Ops:
    """The catalogue in plain jax, for XLA to estimate: nothing here is run."""

    def linear(self, x: Any, w: Any, b: Any) -> Any:
        return x @ w + b

    def tied_linear(self, x: Any, table: Any) -> Any:
        return x @ table.T

    def conv2d(self, x: Any, w: Any, *, stride: Any, padding: Any, groups: Any) -> Any:
        layout, pads = ("NHWC", "HWIO", "NHWC"), ((padding, padding),) * 2
        return lax.conv_general_dilated(
            x, w, (stride, stride), pads, dimension_numbers=layout, feature_group_count=groups
        )

    def batch_norm(self, x: Any, scale: Any, shift: Any, *, eps: Any, axes: Any = (0, 1, 2)) -> Any:
        mean, variance = jnp.mean(x, axes, keepdims=True), jnp.var(x, axes, keepdims=True)
        return (x - mean) * lax.rsqrt(variance + eps) * scale + shift

    def layer_norm(self, x: Any, scale: Any, shift: Any, *, eps: Any) -> Any:
        return self.batch_norm(x, scale, shift, eps=eps, axes=-1)

    def attention(self, q: Any, k: Any, v: Any, *, heads: Any, causal: Any) -> Any:
        q, k, v = (x.reshape(*x.shape[:2], heads, -1).transpose(0, 2, 1, 3) for x in (q, k, v))
        scores = q @ k.transpose(0, 1, 3, 2) / q.shape[-1] ** 0.5
        weights = jax.nn.softmax(jnp.where(jnp.tri(scores.shape[-1], dtype=bool), scores, -jnp.inf))
        mixed = (weights @ v).transpose(0, 2, 1, 3)
        return mixed.reshape(*mixed.shape[:2], -1)

    def max_pool(self, x: Any, *, size: int, stride: Any, padding: Any) -> Any:
        pads = ((0, 0), (padding, padding), (padding, padding), (0, 0))
        return lax.reduce_window(x, -jnp.inf, lax.max, (1, size, size, 1), (1, stride, stride, 1), pads)

    def global_avg_pool(self, x: Any) -> Any:
        return jnp.mean(x, (1, 2))

    def embedding(self, table: Any, ids: Any) -> Any:
        return table[ids]

    def split(self, x: Any, *, parts: Any) -> Any:
        return jnp.split(x, parts, axis=-1)

    def cross_entropy(self, logits: Any, labels: Any) -> Any:
        picked = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[..., None], axis=-1)
        return -picked.mean()

    relu, gelu, add = staticmethod(jax.nn.relu), staticmethod(jax.nn.gelu), staticmethod(jnp.add)


def flops_on_padding(graph: Graph) -> Any:
    """2 x the multiply-adds of all convolutions whose tap lies outside the image."""
    total = 0
    for call in graph.calls:
        if call.op != "conv2d":
            continue
        x, w, y = (graph.specs[n].shape for n in (*call.inputs[:2], *call.outputs))
        stride, padding = call.attrs["stride"], call.attrs["padding"]
        inside = 1
        for axis in (1, 2):
            starts = range(-padding, -padding + stride * y[axis], stride)
            inside *= sum(0 <= start + tap < x[axis] for start in starts for tap in range(w[axis - 1]))
        all_taps = y[1] * y[2] * w[0] * w[1]
        total += 2 * x[0] * w[2] * w[3] * (all_taps - inside)
    return total


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("mlp", {"batch": 256, "depth": 6, "width": 512}),
        ("resnet18", {"batch": 2, "image": 96, "classes": 1000}),
        ("gpt2", {"batch": 1, "tokens": 64, "layers": 2, "width": 512, "heads": 2, "vocabulary": 4096, "context": 64}),
    ],
    ids=["mlp", "resnet18", "gpt2"],
)
def test_forward_flops_are_close_to_what_xla_estimates(name: str, sizes: dict[str, int]) -> None:
    graph = trace(build(name, sizes))
    estimated = lowered(graph, Ops()).compile().cost_analysis()["flops"]
    assert cost(graph).forward.flops - flops_on_padding(graph) == pytest.approx(estimated, rel=CLOSE)


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("alexnet", {"batch": 1}),
        ("vgg16", {"batch": 1, "image": 64}),
        ("resnet50", {"batch": 1, "image": 96}),
        ("convnext", {"batch": 1, "image": 64, "width": 384, "blocks": 1}),
        ("unet", {"image": 64}),
        ("linear_net", {"inputs": 3072}),
        ("one_net", {}),
        ("conv_net", {"batch": 1, "image": 96}),
        ("deeper_conv_net", {"batch": 1, "image": 96, "depth": 5}),
    ],
    ids=str,
)
def test_forward_flops_of_the_adapters_ops_are_close_to_what_xla_estimates(name: str, sizes: dict[str, Any]) -> None:
    graph = trace(build(name, sizes))
    estimated = lowered(graph, ops).cost_analysis()["flops"]
    assert cost(graph).forward.flops - flops_on_padding(graph) == pytest.approx(estimated, rel=CLOSE)


def lowered(graph: Graph, namespace: Any) -> Any:
    """The forward pass in XLA's hands, from shapes alone."""
    kinds = {"float": jnp.float32, "int": jnp.int32}
    shapes = {n: jax.ShapeDtypeStruct(d.spec.shape, kinds[d.spec.kind]) for n, d in graph.draws.items()}
    arguments = [{n: shapes[n] for n in names} for names in (graph.params, graph.inputs)]
    return jax.jit(interpreter(graph, namespace)).lower(*arguments)
