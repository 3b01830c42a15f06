"""A traced model as the `torch.nn.Module` that a user would write: torch's layers, straight-line code, NCHW images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from harness.workload.trace import Graph

from .graphs import Step, flattened, given, steps
from .side import Side


def side(graph: Graph, arrays: Mapping[str, np.ndarray], execution: str) -> Side:
    """Ready to call, in eager mode or by torch.compile as it comes."""
    module: Any = _Tracer().traced(module_of(graph, arrays))
    return Side("torch.nn", phases(torch.compile(module) if execution == "compile" else module, module))


def module_of(graph: Graph, arrays: Mapping[str, np.ndarray]) -> nn.Module:
    """The module, looping over the model's steps. It holds its batch: called without arguments, it returns the loss."""
    return _Net(graph, arrays)


def phases(loss: Callable[[], Tensor], module: nn.Module) -> dict[str, Callable[..., Any]]:
    """The phases of a function that computes the loss with that module's parameters."""
    parameters = tuple(module.parameters())

    def inference() -> Tensor:
        with torch.no_grad():
            return loss()

    def forward() -> tuple[Tensor, Tensor]:
        value = loss()
        return value.detach(), value

    def backward(kept: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
        return torch.autograd.grad(kept[1], parameters)

    def gradient() -> tuple[Tensor, tuple[Tensor, ...]]:
        kept = forward()
        return kept[0], backward(kept)

    return {"inference": inference, "forward": forward, "backward": backward, "gradient": gradient}


def tensor(array: np.ndarray) -> Tensor:
    """As torch has it: images first, integers of 64 bits."""
    if array.dtype.kind == "i":
        return torch.tensor(array, dtype=torch.int64)
    return torch.tensor(np.ascontiguousarray(array.transpose(0, 3, 1, 2) if array.ndim == 4 else array))


class _Tracer(fx.Tracer):
    """Writes the loop over a model's steps out as code without one."""

    proxy_buffer_attributes = True

    def traced(self, net: nn.Module) -> fx.GraphModule:
        return fx.GraphModule(net, self.trace(net))


class _Net(nn.Module):
    """What is given are buffers and parameters of the module, so that a call takes no arguments."""

    def __init__(self, graph: Graph, arrays: Mapping[str, np.ndarray]) -> None:
        super().__init__()
        self.graph, self.given = graph, given(graph)
        self.layers, self.heads = nn.ModuleDict(), nn.ModuleDict()
        for name in self.given:
            place = self.register_parameter if name in graph.params else self.register_buffer
            value = tensor(arrays[name])
            place(f"given_{name.replace('.', '_')}", nn.Parameter(value) if name in graph.params else value)
        flat = flattened(graph)
        for step in steps(graph):
            if step.weights and step.layer not in self.layers:
                weights = [arrays[name] for name in step.weights]
                if step.call.op == "linear" and step.arguments[0] in flat:
                    weights[0] = _for_channels_first(weights[0], flat[step.arguments[0]])
                self.layers[step.layer] = LAYERS[step.call.op](*weights, **step.call.attrs)
            if step.call.op == "tied_linear":
                self.heads[step.layer] = _tied(self.layers[step.layer])

    def forward(self) -> Tensor:
        values = {number: getattr(self, f"given_{name.replace('.', '_')}") for name, number in self.given.items()}
        for step in steps(self.graph):
            result = self._run(step, [values[number] for number in step.arguments])
            outputs = step.call.outputs
            results = [result[i] for i in range(len(outputs))] if len(outputs) > 1 else [result]
            values.update(zip(outputs, results, strict=True))
        return values[self.graph.loss]

    def _run(self, step: Step, arguments: list[Any]) -> Any:
        op, rank = step.call.op, len(self.graph.specs[step.call.inputs[0]].shape)
        if not step.weights:
            return FUNCTIONS[op](rank, *arguments, **step.call.attrs)
        if op == "tied_linear":
            return self.heads[step.layer](arguments[0])
        layer = self.layers[step.layer]
        if op == "lstm":
            return layer(arguments[0], (arguments[1][None], arguments[2][None]))[0]
        if op == "gru":
            return layer(arguments[0], arguments[1][None])[0]
        if rank == 4 and op in ("linear", "layer_norm"):
            return layer(arguments[0].permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return layer(arguments[0])


def _for_channels_first(w: np.ndarray, image: tuple[int, ...]) -> np.ndarray:
    """A linear weight whose rows follow a flattened image [C, H, W], as torch has it."""
    return w.reshape(*image, -1).transpose(2, 0, 1, 3).reshape(w.shape)


def _carry(layer: nn.Module, **weights: np.ndarray | None) -> nn.Module:
    with torch.no_grad():
        for name, array in weights.items():
            if array is not None:
                getattr(layer, name).copy_(torch.tensor(np.ascontiguousarray(array)))
    return layer


def _linear(w: np.ndarray, b: np.ndarray | None = None) -> nn.Module:
    return _carry(nn.Linear(*w.shape, bias=b is not None), weight=w.T, bias=b)


def _tied(embedding: Any) -> nn.Module:
    """A head whose weight is the table of an embedding."""
    head = nn.Linear(embedding.embedding_dim, embedding.num_embeddings, bias=False)
    head.weight = embedding.weight
    return head


def _conv(w: np.ndarray, b: np.ndarray | None = None, *, groups: int = 1, **attrs: int) -> nn.Module:
    channels, out = w.shape[2] * groups, w.shape[3]
    layer = nn.Conv2d(channels, out, w.shape[0], groups=groups, bias=b is not None, **attrs)
    return _carry(layer, weight=w.transpose(3, 2, 0, 1), bias=b)


def _conv_transpose(w: np.ndarray, b: np.ndarray | None = None, *, stride: int) -> nn.Module:
    layer = nn.ConvTranspose2d(w.shape[3], w.shape[2], w.shape[0], stride, bias=b is not None)
    return _carry(layer, weight=w.transpose(3, 2, 0, 1), bias=b)


def _batch_norm(scale: np.ndarray, shift: np.ndarray, *running: np.ndarray, eps: float) -> nn.Module:
    """In training mode without running averages, which the catalogue's has not either."""
    layer = nn.BatchNorm2d(len(scale), eps, track_running_stats=bool(running)).train(not running)
    return _carry(
        layer, weight=scale, bias=shift, **dict(zip(("running_mean", "running_var"), running, strict=bool(running)))
    )


def _recurrent(kind: type[nn.Module]) -> Callable[..., nn.Module]:
    def layer(w: np.ndarray, u: np.ndarray, b: np.ndarray, d: np.ndarray | None = None) -> nn.Module:
        other = np.zeros_like(b) if d is None else d
        carried = {"weight_ih_l0": w.T, "weight_hh_l0": u.T, "bias_ih_l0": b, "bias_hh_l0": other}
        return _carry(kind(w.shape[0], u.shape[0], batch_first=True), **carried)

    return layer


LAYERS: dict[str, Callable[..., nn.Module]] = {
    "linear": _linear,
    "conv2d": _conv,
    "conv_transpose2d": _conv_transpose,
    "batch_norm": _batch_norm,
    "batch_norm_inference": _batch_norm,
    "layer_norm": lambda scale, shift, eps: _carry(nn.LayerNorm(len(scale), eps), weight=scale, bias=shift),
    "group_norm": lambda scale, shift, groups, eps: _carry(
        nn.GroupNorm(groups, len(scale), eps), weight=scale, bias=shift
    ),
    "rms_norm": lambda scale, eps: _carry(nn.RMSNorm(len(scale), eps), weight=scale),
    **dict.fromkeys(("embedding", "tied_linear"), lambda table: _carry(nn.Embedding(*table.shape), weight=table)),
    "lstm": _recurrent(nn.LSTM),
    "gru": _recurrent(nn.GRU),
}


def _attention(
    rank: int, q: Any, k: Any, v: Any, mask: Any = None, *, heads: int, causal: bool, kv_heads: int | None = None
) -> Any:
    groups = kv_heads or heads
    q, k, v = (x.unflatten(2, (n, -1)).transpose(1, 2) for x, n in ((q, heads), (k, groups), (v, groups)))
    mask = None if mask is None else mask[:, None, None]
    y = F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal, enable_gqa=groups != heads)
    return y.transpose(1, 2).flatten(2)


def _rotary(rank: int, x: Any, cosines: Any, sines: Any, *, heads: int) -> Any:
    """As in transformers' Llama."""
    x = x.unflatten(2, (heads, -1)).transpose(1, 2)
    first, second = x.chunk(2, -1)
    cos, sin = (torch.cat((table, table), -1) for table in (cosines, sines))
    return (x * cos + torch.cat((-second, first), -1) * sin).transpose(1, 2).flatten(2)


def _dot_interaction(rank: int, *vectors: Any) -> Any:
    """As in the published DLRM."""
    x = torch.stack(vectors, 1)
    products = torch.bmm(x, x.transpose(1, 2))
    rows, columns = torch.tril_indices(len(vectors), len(vectors), -1).unbind()
    return torch.cat((vectors[0], products[:, rows, columns]), 1)


def _multiply(rank: int, a: Any, b: Any) -> Any:
    return a * (b[:, None, None] if rank == 4 else b)


# Each takes the rank of its first argument before the arguments.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "relu": lambda rank, x: F.relu(x),
    "relu6": lambda rank, x: F.relu6(x),
    "silu": lambda rank, x: F.silu(x),
    "tanh": lambda rank, x: torch.tanh(x),
    "gelu": lambda rank, x, approximate=True: F.gelu(x, approximate="tanh" if approximate else "none"),
    "add": lambda rank, a, b: a + b,
    "multiply": _multiply,
    "max_pool": lambda rank, x, size, stride, padding=0: F.max_pool2d(x, size, stride, padding),
    "avg_pool": lambda rank, x, size, stride: F.avg_pool2d(x, size, stride),
    "global_avg_pool": lambda rank, x: F.adaptive_avg_pool2d(x, 1).flatten(1),
    "upsample": lambda rank, x, factor: F.interpolate(x, scale_factor=factor, mode="nearest"),
    "concatenate": lambda rank, *xs, axis: torch.cat(xs, (0, 2, 3, 1)[axis] if rank == 4 else axis),
    "split": lambda rank, x, parts: x.chunk(parts, -1),
    "flatten": lambda rank, x: x.flatten(1),
    "image_tokens": lambda rank, x: x.flatten(2).transpose(1, 2),
    "transpose_tokens": lambda rank, x: x.transpose(1, 2),
    "mean_tokens": lambda rank, x: x.mean(1),
    "first_token": lambda rank, x: x[:, 0],
    "class_token": lambda rank, x, token: torch.cat((token.expand(x.shape[0], 1, -1), x), 1),
    "attention": _attention,
    "rotary": _rotary,
    "dot_interaction": _dot_interaction,
    "mse": lambda rank, a, b: F.mse_loss(a, b),
    "cross_entropy": lambda rank, x, labels: (
        F.cross_entropy(x, labels) if rank == 4 else F.cross_entropy(x.flatten(0, -2), labels.flatten())
    ),
}
