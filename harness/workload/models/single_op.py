"""One op of the catalogue as the whole workload: an atlas of forward, dX and dW is a sweep over `model.op`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any

from .. import draw
from ..draw import Draw
from ..ops import CATALOGUE, WorkloadError

EPS = 1e-5
RATE = 0.1

# Arguments of these names are parameters.
WEIGHTS = {"w", "u", "b", "d", "scale", "shift", "table", "token"}

Recipe = tuple[dict[str, Draw], dict[str, Any]]


@dataclass(frozen=True)
class SingleOp:
    """The op `op`, on a sequence [batch, tokens, width] or an image [batch, image, image, channels] as it takes.

    What it is given is data and its weights are the parameters; without weights, what it is given is. The loss is
    the mean square of its distance from a target, unless the op is a loss itself. Sizes that an op has no use for
    do not matter.
    """

    op: str = "linear"
    batch: int = 16
    tokens: int = 64
    width: int = 256
    heads: int = 4
    image: int = 32
    channels: int = 64
    kernel: int = 3
    stride: int = 1
    groups: int = 1
    entries: int = 1000

    def __post_init__(self):
        if self.op not in RECIPES:
            raise WorkloadError(
                f"op: model.op={self.op!r} is not in the catalogue; it has {', '.join(sorted(RECIPES))}"
            )

    @property
    def label(self) -> str:
        return self.op

    @property
    def given(self) -> dict[str, Draw]:
        """The arguments that are data."""
        arguments, _ = RECIPES[self.op](self)
        if WEIGHTS.isdisjoint(arguments):
            return {name: d for name, d in arguments.items() if d.spec.kind != "float"}
        return {name: d for name, d in arguments.items() if name not in WEIGHTS}

    def batch_arrays(self):
        arguments, attrs = RECIPES[self.op](self)
        shape = CATALOGUE[self.op].shape(*(d.spec for d in arguments.values()), **attrs)
        outputs = shape if isinstance(shape, tuple) else (shape,)
        targets = {f"target{i}": draw.normal(*spec.shape) for i, spec in enumerate(outputs) if spec.shape}
        return self.given | targets

    def loss(self, ops, param, **batch):
        arguments, attrs = RECIPES[self.op](self)
        values = [batch[name] if name in batch else param(name, d) for name, d in arguments.items()]
        result = getattr(ops, self.op)(*values, **attrs)
        outputs = result if isinstance(result, tuple) else (result,)
        if outputs[0].shape == ():
            return outputs[0]
        return reduce(ops.add, (ops.mse(y, batch[f"target{i}"]) for i, y in enumerate(outputs)))


def _sequence(s: SingleOp) -> Draw:
    return draw.normal(s.batch, s.tokens, s.width)


def _row(s: SingleOp) -> Draw:
    return draw.normal(s.batch, s.width)


def _image(s: SingleOp) -> Draw:
    return draw.normal(s.batch, s.image, s.image, s.channels)


def _ids(s: SingleOp) -> Draw:
    return draw.integers(s.batch, s.tokens, high=s.entries)


def _on(argument: Callable[[SingleOp], Draw], count: int = 1, **attrs: Any) -> Callable[[SingleOp], Recipe]:
    """An op of so many equal arguments, without weights."""
    return lambda s: ({f"x{i}": argument(s) for i in range(count)}, attrs)


def _norm(argument: Callable[[SingleOp], Draw], names: tuple[str, ...] = ("scale", "shift"), **attrs: Any) -> Any:
    def recipe(s: SingleOp) -> Recipe:
        n = argument(s).shape[-1]
        draws = {"scale": draw.scale(n), "shift": draw.bias(n)}
        return {"x": argument(s)} | {name: draws[name] for name in names}, {"eps": EPS} | attrs

    return recipe


def _conv2d(s: SingleOp) -> Recipe:
    w = draw.he(s.kernel, s.kernel, max(s.channels // s.groups, 1), s.channels)
    attrs = {"stride": s.stride, "padding": s.kernel // 2, "groups": s.groups}
    return {"x": _image(s), "w": w, "b": draw.bias(s.channels)}, attrs


def _conv_transpose2d(s: SingleOp) -> Recipe:
    w = draw.he(s.kernel, s.kernel, s.channels, s.channels)
    return {"x": _image(s), "w": w, "b": draw.bias(s.channels)}, {"stride": s.stride}


def _batch_norm_inference(s: SingleOp) -> Recipe:
    arguments, attrs = _norm(_image)(s)
    return arguments | {"mean": draw.running_mean(s.channels), "variance": draw.running_variance(s.channels)}, attrs


def _group_norm(s: SingleOp) -> Recipe:
    arguments, attrs = _norm(_image)(s)
    return arguments, attrs | {"groups": s.groups}


def _recurrent(x: Callable[[SingleOp], Draw], gates: int, states: str, biases: str) -> Callable[[SingleOp], Recipe]:
    def recipe(s: SingleOp) -> Recipe:
        weights = {name: draw.lecun(s.width, gates * s.width) for name in ("w", "u")}
        return {
            "x": x(s),
            **{name: _row(s) for name in states},
            **weights,
            **{name: draw.bias(gates * s.width) for name in biases},
        }, {}

    return recipe


def _rotary(s: SingleOp) -> Recipe:
    cosines, sines = draw.rotation(s.tokens, max(s.width // s.heads // 2, 1), base=10_000)
    return {"x": _sequence(s), "cosines": cosines, "sines": sines}, {"heads": s.heads}


def _pool(s: SingleOp) -> Recipe:
    return {"x": _image(s)}, {"size": s.kernel, "stride": s.stride}


def _linear(s: SingleOp) -> Recipe:
    return {"x": _sequence(s), "w": draw.lecun(s.width, s.width), "b": draw.bias(s.width)}, {}


def _table(s: SingleOp) -> Draw:
    return draw.normal(s.entries, s.width)


RECIPES: dict[str, Callable[[SingleOp], Recipe]] = {
    "linear": _linear,
    "tied_linear": lambda s: ({"x": _sequence(s), "table": _table(s)}, {}),
    "conv2d": _conv2d,
    "conv_transpose2d": _conv_transpose2d,
    "batch_norm": _norm(_image),
    "batch_norm_inference": _batch_norm_inference,
    "layer_norm": _norm(_sequence),
    "group_norm": _group_norm,
    "rms_norm": _norm(_sequence, ("scale",)),
    "attention": lambda s: ({name: _sequence(s) for name in "qkv"}, {"heads": s.heads, "causal": True}),
    **{
        name: _on(_sequence)
        for name in (
            *("relu", "gelu", "relu6", "hard_swish", "sigmoid", "tanh", "silu"),
            *("transpose_tokens", "mean_tokens", "first_token", "unstack_tokens"),
        )
    },
    "leaky_relu": _on(_sequence, slope=0.01),
    **{name: _on(_sequence, 2) for name in ("add", "multiply", "mse")},
    "max_pool": _pool,
    "avg_pool": _pool,
    **{name: _on(_image) for name in ("global_avg_pool", "flatten", "image_tokens")},
    "upsample": _on(_image, factor=2),
    "concatenate": _on(_sequence, 2, axis=2),
    "split": _on(_sequence, parts=2),
    "embedding": lambda s: ({"table": _table(s), "ids": _ids(s)}, {}),
    "cross_entropy": lambda s: ({"x": draw.normal(s.batch, s.tokens, s.entries), "labels": _ids(s)}, {}),
    "dropout": lambda s: (
        {"x": _sequence(s), "mask": draw.kept(s.batch, s.tokens, s.width, rate=RATE)},
        {"rate": RATE},
    ),
    "class_token": lambda s: ({"x": _sequence(s), "token": draw.normal(s.width)}, {}),
    "stack_tokens": lambda s: ({f"x{i}": _row(s) for i in range(s.tokens)}, {}),
    "rotary": _rotary,
    "dot_interaction": lambda s: ({f"x{i}": _row(s) for i in range(max(s.tokens, 2))}, {}),
    "lstm": _recurrent(_sequence, 4, "hc", "b"),
    "lstm_cell": _recurrent(_row, 4, "hc", "b"),
    "gru": _recurrent(_sequence, 3, "h", "bd"),
    "gru_cell": _recurrent(_row, 3, "h", "bd"),
}
