"""A traced model as the `flax.linen` module that a user would write, under `jax.jit` as it comes."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from harness.workload.trace import Graph

from .graphs import Step, given, steps
from .side import Side

Tree = dict[str, Any]


def side(graph: Graph, arrays: Mapping[str, np.ndarray], execution: str) -> Side:
    """Loss, and loss with gradients, each one compiled function."""
    outside = given(graph)
    net = _Net(steps=tuple(steps(graph)), numbers=tuple(outside.items()), loss=graph.loss)
    named = jax.device_put({name: np.array(arrays[name]) for name in outside})
    own = {name: value for name, value in named.items() if name in graph.params}
    data = {name: value for name, value in named.items() if name not in graph.params}
    shapes = jax.eval_shape(lambda: net.init(jax.random.key(0), named))
    layers = jax.device_put(_carried(graph, arrays))
    wanted = jax.tree.map(jnp.shape, layers), jax.tree.map(jnp.shape, shapes.get("params", {}))
    assert wanted[0] == wanted[1], f"our weights do not fit flax's: {wanted}"
    state = {"batch_stats": _running(graph, arrays)} if "batch_stats" in shapes else {}

    def loss(weights: tuple[Tree, Tree], data: Tree) -> jax.Array:
        # New running averages are not returned, so that they are not computed.
        return net.apply({"params": weights[0], **state}, weights[1] | data, mutable=list(state))[0]

    inference, gradient = jax.jit(loss), jax.jit(jax.value_and_grad(loss))
    weights = layers, own
    return Side(
        "flax linen",
        {"inference": lambda: inference(weights, data), "gradient": lambda: gradient(weights, data)},
    )


class _Net(nn.Module):
    """Layers have the names of their weights. The loop runs when jax traces it."""

    steps: tuple[Step, ...]
    numbers: tuple[tuple[str, int], ...]
    loss: int

    @nn.compact
    def __call__(self, named: Tree) -> jax.Array:
        values = {number: named[name] for name, number in self.numbers}
        layers: dict[str, Any] = {}
        for step in self.steps:
            arguments = [values[number] for number in step.arguments]
            if not step.weights:
                result = FUNCTIONS[step.call.op](*arguments, **step.call.attrs)
            else:
                if step.layer not in layers:
                    layers[step.layer] = LAYERS[step.call.op](step)
                use: Callable[..., Any] = USES.get(step.call.op, operator.call)
                result = use(layers[step.layer], *arguments)
            outputs = step.call.outputs
            values.update(zip(outputs, result, strict=True) if len(outputs) > 1 else [(outputs[0], result)])
        return values[self.loss]


def _carried(graph: Graph, arrays: Mapping[str, np.ndarray]) -> Tree:
    """Our weights as flax names them, by layer."""
    tree: dict[str, Tree] = {}
    for step in steps(graph):
        if step.weights:
            carry: Callable[..., Tree] = CARRY.get(step.call.op, _kernel)
            tree[step.layer] = carry(*(np.array(arrays[name]) for name in step.weights))
    return tree


def _running(graph: Graph, arrays: Mapping[str, np.ndarray]) -> Tree:
    """The running averages of every batch norm: ours where it uses them."""
    norms = [step for step in steps(graph) if step.call.op.startswith("batch_norm")]
    averages = {step.layer: [jnp.zeros(step.shapes[0]), jnp.ones(step.shapes[0])] for step in norms}
    averages |= {step.layer: [jnp.array(arrays[n]) for n in step.weights[2:]] for step in norms if step.weights[2:]}
    return {layer: {"mean": mean, "var": variance} for layer, (mean, variance) in averages.items()}


def _kernel(w: np.ndarray, b: np.ndarray | None = None) -> Tree:
    return {"kernel": w} if b is None else {"kernel": w, "bias": b}


def _lstm_weights(w: np.ndarray, u: np.ndarray, b: np.ndarray) -> Tree:
    ws, us, bs = (np.split(a, 4, -1) for a in (w, u, b))
    inner = {f"i{gate}": {"kernel": ws[i]} for i, gate in enumerate("ifgo")}
    return inner | {f"h{gate}": {"kernel": us[i], "bias": bs[i]} for i, gate in enumerate("ifgo")}


def _gru_weights(w: np.ndarray, u: np.ndarray, b: np.ndarray, d: np.ndarray) -> Tree:
    ws, us, bs, ds = (np.split(a, 3, -1) for a in (w, u, b, d))
    inner = {f"i{gate}": {"kernel": ws[i], "bias": bs[i] + ds[i] * (gate != "n")} for i, gate in enumerate("rzn")}
    return inner | {"hr": {"kernel": us[0]}, "hz": {"kernel": us[1]}, "hn": {"kernel": us[2], "bias": ds[2]}}


CARRY: dict[str, Callable[..., Tree]] = {
    **dict.fromkeys(("batch_norm", "layer_norm", "group_norm"), lambda scale, shift: {"scale": scale, "bias": shift}),
    "batch_norm_inference": lambda scale, shift, mean, variance: {"scale": scale, "bias": shift},
    "rms_norm": lambda scale: {"scale": scale},
    **dict.fromkeys(("embedding", "tied_linear"), lambda table: {"embedding": table}),
    "lstm": _lstm_weights,
    "gru": _gru_weights,
}


def _conv(step: Step) -> nn.Module:
    *kernel, _, out = step.shapes[0]
    attrs = {"stride": 1, "padding": 0, "groups": 1} | step.call.attrs
    return nn.Conv(
        out,
        kernel,
        strides=attrs["stride"],
        padding=[(attrs["padding"], attrs["padding"])] * 2,
        feature_group_count=attrs["groups"],
        use_bias=len(step.weights) == 2,
        name=step.layer,
    )


def _conv_transpose(step: Step) -> nn.Module:
    height, width, out, _ = step.shapes[0]
    stride = (step.call.attrs["stride"],) * 2
    bias = len(step.weights) == 2
    return nn.ConvTranspose(
        out, (height, width), stride, padding="VALID", transpose_kernel=True, use_bias=bias, name=step.layer
    )


LAYERS: dict[str, Callable[[Step], Any]] = {
    "linear": lambda step: nn.Dense(step.shapes[0][1], use_bias=len(step.weights) == 2, name=step.layer),
    "conv2d": _conv,
    "conv_transpose2d": _conv_transpose,
    "batch_norm": lambda step: nn.BatchNorm(use_running_average=False, epsilon=step.call.attrs["eps"], name=step.layer),
    "batch_norm_inference": lambda step: nn.BatchNorm(
        use_running_average=True, epsilon=step.call.attrs["eps"], name=step.layer
    ),
    "layer_norm": lambda step: nn.LayerNorm(epsilon=step.call.attrs["eps"], name=step.layer),
    "group_norm": lambda step: nn.GroupNorm(step.call.attrs["groups"], epsilon=step.call.attrs["eps"], name=step.layer),
    "rms_norm": lambda step: nn.RMSNorm(epsilon=step.call.attrs["eps"], name=step.layer),
    **dict.fromkeys(("embedding", "tied_linear"), lambda step: nn.Embed(*step.shapes[0], name=step.layer)),
    "lstm": lambda step: nn.OptimizedLSTMCell(step.shapes[1][0], name=step.layer),
    "gru": lambda step: nn.GRUCell(step.shapes[1][0], name=step.layer),
}

# How a layer is called, where it is not `layer(x)`.
USES: dict[str, Callable[..., Any]] = {
    "tied_linear": lambda layer, x: layer.attend(x),
    "lstm": lambda cell, x, h, c: nn.RNN(cell)(x, initial_carry=(c, h)),
    "gru": lambda cell, x, h: nn.RNN(cell)(x, initial_carry=h),
}


def _attention(
    q: Any, k: Any, v: Any, mask: Any = None, *, heads: int, causal: bool, kv_heads: int | None = None
) -> Any:
    groups = kv_heads or heads
    split = (x.reshape(*x.shape[:2], n, -1) for x, n in ((q, heads), (k, groups), (v, groups)))
    q, k, v = split
    if groups != heads:  # flax has no shared keys; they are repeated
        k, v = (jnp.repeat(x, heads // groups, axis=2) for x in (k, v))
    if causal:
        mask = nn.make_causal_mask(jnp.ones(q.shape[:2], bool), dtype=bool)
    elif mask is not None:
        mask = nn.make_attention_mask(jnp.ones_like(mask), mask, dtype=bool)
    return nn.dot_product_attention(q, k, v, mask=mask).reshape(*q.shape[:2], -1)


def _rotary(x: Any, cosines: Any, sines: Any, *, heads: int) -> Any:
    """As in the Llama of transformers for flax."""
    x = x.reshape(*x.shape[:2], heads, -1)
    first, second = jnp.split(x, 2, -1)
    cos, sin = (jnp.concatenate((table, table), -1)[:, None] for table in (cosines, sines))
    return (x * cos + jnp.concatenate((-second, first), -1) * sin).reshape(*x.shape[:2], -1)


def _dot_interaction(*vectors: Any) -> Any:
    x = jnp.stack(vectors, 1)
    rows, columns = jnp.tril_indices(len(vectors), -1)
    return jnp.concatenate((vectors[0], jnp.matmul(x, x.transpose(0, 2, 1))[:, rows, columns]), 1)


def _max_pool(x: Any, *, size: int, stride: int, padding: int = 0) -> Any:
    return nn.max_pool(x, (size, size), (stride, stride), [(padding, padding)] * 2)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(nn, name) for name in ("relu", "relu6", "silu", "tanh")},
    "gelu": lambda x, approximate=True: nn.gelu(x, approximate=approximate),
    "add": lambda a, b: a + b,
    "multiply": lambda a, b: a * b,
    "max_pool": _max_pool,
    "avg_pool": lambda x, size, stride: nn.avg_pool(x, (size, size), (stride, stride)),
    "global_avg_pool": lambda x: x.mean((1, 2)),
    "upsample": lambda x, factor: jax.image.resize(
        x, (x.shape[0], x.shape[1] * factor, x.shape[2] * factor, x.shape[3]), "nearest"
    ),
    "concatenate": lambda *xs, axis: jnp.concatenate(xs, axis),
    "split": lambda x, parts: jnp.split(x, parts, -1),
    "flatten": lambda x: x.reshape(x.shape[0], -1),
    "image_tokens": lambda x: x.reshape(x.shape[0], -1, x.shape[-1]),
    "transpose_tokens": lambda x: x.transpose(0, 2, 1),
    "mean_tokens": lambda x: x.mean(1),
    "first_token": lambda x: x[:, 0],
    "class_token": lambda x, token: jnp.concatenate((jnp.broadcast_to(token, (len(x), 1, token.size)), x), 1),
    "attention": _attention,
    "rotary": _rotary,
    "dot_interaction": _dot_interaction,
    "mse": lambda a, b: optax.losses.squared_error(a, b).mean(),
    "cross_entropy": lambda x, labels: optax.losses.softmax_cross_entropy_with_integer_labels(x, labels).mean(),
}
