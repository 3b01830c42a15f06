"""A traced model as the functional Keras model that a user would write, on the TensorFlow backend."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever the user's own setting: a process has one backend

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from harness.workload.trace import Graph

from .graphs import Step, given, steps
from .side import Side


def side(graph: Graph, arrays: Mapping[str, np.ndarray], execution: str) -> Side:
    """In eager mode, or in a `tf.function`, by XLA or not, each of inference and gradient."""
    model, weights = _model(graph)
    for variable, array in _carried(weights, arrays):
        variable.assign(array.reshape(variable.shape))
    named = {name: tf.constant(np.array(arrays[name])) for name in given(graph)}
    own = [name for name in named if name in graph.params]
    fixed = [variable.value for variable in model.non_trainable_variables]

    trained = [variable.value for variable in model.trainable_variables]
    sources = trained + [named[name] for name in own]
    training = all(step.call.op != "batch_norm_inference" for step in steps(graph))

    def loss() -> Any:
        if execution == "eager":
            return model(named, training=training)
        # New running averages are not used, so that the graph does not compute them.
        return model.stateless_call(trained, fixed, named, training=training)[0]

    def forward() -> Any:
        with tf.GradientTape() as tape:
            tape.watch([named[name] for name in own])
            value = loss()
        return value, tape

    def backward(kept: Any) -> Any:
        # Those of an embedding are made dense, as ours and all other frameworks' are.
        return [tf.convert_to_tensor(g) for g in kept[1].gradient(kept[0], sources)]

    def gradient() -> Any:
        kept = forward()
        return kept[0], backward(kept)

    if execution == "eager":
        eager: dict[str, Callable[..., Any]] = {
            "inference": loss,
            "forward": forward,
            "backward": backward,
            "gradient": gradient,
        }
        return Side("Keras", eager)
    compiled = {"autograph": False, "jit_compile": execution == "xla"}
    return Side("Keras", {"inference": tf.function(loss, **compiled), "gradient": tf.function(gradient, **compiled)})


def _model(graph: Graph) -> tuple[Any, list[tuple[Step, Any]]]:
    """The model from what is given to the loss, and each layer with the first step that uses it."""
    inputs = {
        name: keras.Input(batch_shape=graph.specs[number].shape, dtype=_dtype(graph.specs[number].kind), name=name)
        for name, number in given(graph).items()
    }
    values = {number: inputs[name] for name, number in given(graph).items()}
    made: dict[str, Any] = {}
    first: list[tuple[Step, Any]] = []
    for step in steps(graph):
        arguments = [values[number] for number in step.arguments]
        if step.weights:
            if step.layer not in made:
                made[step.layer] = LAYERS[step.call.op](step)
                first.append((step, made[step.layer]))
            use: Callable[..., Any] = USES.get(step.call.op, operator.call)
            result = use(made[step.layer], *arguments)
        else:
            result = FUNCTIONS[step.call.op](*arguments, **step.call.attrs)
        outputs = step.call.outputs
        values.update(zip(outputs, result, strict=True) if len(outputs) > 1 else [(outputs[0], result)])
    return keras.Model(inputs, values[graph.loss]), first


def _dtype(kind: str) -> str:
    return {"int": "int32", "bool": "bool"}.get(kind, "float32")


def _carried(made: list[tuple[Step, Any]], arrays: Mapping[str, np.ndarray]) -> Iterator[tuple[Any, np.ndarray]]:
    """Each variable of a layer with our array for it."""
    for step, layer in made:
        weights = [np.array(arrays[name]) for name in step.weights]
        if step.call.op == "gru":  # update gate, reset gate, candidate there; and both biases as rows of one
            r, z, n = zip(*(np.split(a, 3, -1) for a in weights), strict=True)
            w, u, b, d = (np.concatenate(parts, -1) for parts in zip(z, r, n, strict=True))
            weights = [w, u, np.stack((b, d))]
        yield from zip(layer.weights, weights, strict=step.call.op != "batch_norm")


class _PaddedConv:
    """A convolution as users write it: padded by the layer where it keeps the size, else by a layer before it."""

    def __init__(self, step: Step) -> None:
        kernel, out = step.shapes[0][0], step.shapes[0][3]
        attrs = {"stride": 1, "padding": 0, "groups": 1} | step.call.attrs
        stride, padding, groups = attrs["stride"], attrs["padding"], attrs["groups"]
        same = stride == 1 and 2 * padding == kernel - 1
        options = {"padding": "same" if same else "valid", "use_bias": len(step.weights) == 2, "name": step.layer}
        if groups > 1 and step.shapes[0][2] == 1:
            self.conv = layers.DepthwiseConv2D(kernel, stride, depth_multiplier=out // groups, **options)
        else:
            self.conv = layers.Conv2D(out, kernel, stride, groups=groups, **options)
        self.pad = None if same or not padding else layers.ZeroPadding2D(padding)

    def __call__(self, x: Any) -> Any:
        return self.conv(x if self.pad is None else self.pad(x))

    @property
    def weights(self) -> list[Any]:
        return self.conv.weights


def _conv_transpose(step: Step) -> Any:
    kernel, _, out, _ = step.shapes[0]
    bias = len(step.weights) == 2
    return layers.Conv2DTranspose(out, kernel, step.call.attrs["stride"], use_bias=bias, name=step.layer)


def _norm(kind: Any, **options: str) -> Callable[[Step], Any]:
    def layer(step: Step) -> Any:
        renamed = {theirs: step.call.attrs[ours] for theirs, ours in options.items()}
        return kind(epsilon=step.call.attrs["eps"], name=step.layer, **renamed)

    return layer


LAYERS: dict[str, Callable[[Step], Any]] = {
    "linear": lambda step: layers.Dense(step.shapes[0][1], use_bias=len(step.weights) == 2, name=step.layer),
    "conv2d": _PaddedConv,
    "conv_transpose2d": _conv_transpose,
    **dict.fromkeys(("batch_norm", "batch_norm_inference"), _norm(layers.BatchNormalization)),
    "layer_norm": _norm(layers.LayerNormalization),
    "group_norm": _norm(layers.GroupNormalization, groups="groups"),
    "rms_norm": _norm(layers.RMSNormalization),
    **dict.fromkeys(("embedding", "tied_linear"), lambda step: layers.ReversibleEmbedding(*step.shapes[0])),
    "lstm": lambda step: layers.LSTM(step.shapes[1][0], return_sequences=True, name=step.layer),
    "gru": lambda step: layers.GRU(step.shapes[1][0], return_sequences=True, name=step.layer),
}


def _tied(layer: Any, x: Any) -> Any:
    if not layer.built:
        layer.build()
    return layer(x, reverse=True)


# How a layer is called, where it is not `layer(x)`.
USES: dict[str, Callable[..., Any]] = {
    "tied_linear": _tied,
    "lstm": lambda layer, x, h, c: layer(x, initial_state=[h, c]),
    "gru": lambda layer, x, h: layer(x, initial_state=h),
}


def _attention(
    q: Any, k: Any, v: Any, mask: Any = None, *, heads: int, causal: bool, kv_heads: int | None = None
) -> Any:
    """As MultiHeadAttention and GroupedQueryAttention call it, between their projections."""
    groups = kv_heads or heads
    batch, tokens, width = q.shape
    q, k, v = (ops.reshape(x, (batch, tokens, n, -1)) for x, n in ((q, heads), (k, groups), (v, groups)))
    if groups != heads:
        k, v = (ops.repeat(x, heads // groups, axis=2) for x in (k, v))
    mask = None if mask is None else ops.reshape(mask, (batch, 1, 1, tokens))
    return ops.reshape(ops.dot_product_attention(q, k, v, mask=mask, is_causal=causal), (batch, tokens, width))


def _rotary(x: Any, cosines: Any, sines: Any, *, heads: int) -> Any:
    """As in KerasHub's RotaryEmbedding."""
    batch, tokens, width = x.shape
    x = ops.reshape(x, (batch, tokens, heads, -1))
    first, second = ops.split(x, 2, axis=-1)
    cos, sin = (ops.expand_dims(ops.concatenate((table, table), axis=-1), 1) for table in (cosines, sines))
    return ops.reshape(x * cos + ops.concatenate((-second, first), axis=-1) * sin, (batch, tokens, width))


def _dot_interaction(*vectors: Any) -> Any:
    """As in Keras's recommenders: the pairs are taken from the flat products."""
    n = len(vectors)
    x = ops.stack(vectors, axis=1)
    products = ops.reshape(ops.matmul(x, ops.transpose(x, (0, 2, 1))), (-1, n * n))
    rows, columns = np.tril_indices(n, -1)
    return ops.concatenate((vectors[0], ops.take(products, rows * n + columns, axis=-1)), axis=1)


def _max_pool(x: Any, *, size: int, stride: int, padding: int = 0) -> Any:
    if padding:
        pads = ((0, 0), (padding, padding), (padding, padding), (0, 0))
        x = ops.pad(x, pads, constant_values=float(np.finfo(np.float32).min))
    return layers.MaxPooling2D(size, stride)(x)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "relu": lambda x: layers.ReLU()(x),
    **{name: getattr(ops, name) for name in ("relu6", "silu", "tanh", "multiply", "add")},
    "gelu": lambda x, approximate=True: ops.gelu(x, approximate=approximate),
    "max_pool": _max_pool,
    "avg_pool": lambda x, size, stride: layers.AveragePooling2D(size, stride)(x),
    "global_avg_pool": lambda x: layers.GlobalAveragePooling2D()(x),
    "upsample": lambda x, factor: layers.UpSampling2D(factor)(x),
    "concatenate": lambda *xs, axis: layers.Concatenate(axis)(list(xs)),
    "split": lambda x, parts: ops.split(x, parts, axis=-1),
    "flatten": lambda x: layers.Flatten()(x),
    "image_tokens": lambda x: ops.reshape(x, (x.shape[0], -1, x.shape[3])),
    "transpose_tokens": lambda x: layers.Permute((2, 1))(x),
    "mean_tokens": lambda x: layers.GlobalAveragePooling1D()(x),
    "first_token": lambda x: x[:, 0],
    "class_token": lambda x, token: ops.concatenate((ops.broadcast_to(token, (x.shape[0], 1, x.shape[2])), x), axis=1),
    "attention": _attention,
    "rotary": _rotary,
    "dot_interaction": _dot_interaction,
    "mse": lambda a, b: ops.mean(ops.square(a - b)),
    "cross_entropy": lambda x, labels: ops.mean(ops.sparse_categorical_crossentropy(labels, x, from_logits=True)),
}
