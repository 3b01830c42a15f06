"""Every op of the catalogue on small arrays, and a model of them: shared by all op tests.

An op's case is its example; several stand here for ops with attributes, or with arguments of several shapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np

from harness.workload import draw
from harness.workload.draw import Draw
from harness.workload.ops import CATALOGUE, Sizes, Spec
from harness.workload.trace import trace


@dataclass(frozen=True)
class Case:
    """One op applied to arrays drawn as `arguments`; `rounded` values have ties and exact zeros."""

    op: str
    arguments: tuple[Draw, ...]
    attrs: dict[str, Any] = field(default_factory=dict)
    rounded: bool = False

    def __str__(self) -> str:
        shapes = "-".join("x".join(map(str, d.spec.shape)) for d in self.arguments)
        attrs = "".join(f"-{key}={value}" for key, value in self.attrs.items())
        return f"{self.op}-{shapes}{attrs}"

    @property
    def specs(self) -> tuple[Spec, ...]:
        return tuple(d.spec for d in self.arguments)

    @property
    def outputs(self) -> tuple[Spec, ...]:
        shape = CATALOGUE[self.op].shape(*self.specs, **self.attrs)
        return shape if isinstance(shape, tuple) else (shape,)

    @property
    def is_loss(self) -> bool:
        return self.outputs[0].shape == ()

    @property
    def floats(self) -> list[int]:
        """Positions of the arguments that have a gradient."""
        return [i for i, d in enumerate(self.arguments) if d.differentiable]

    def arrays(self) -> list[np.ndarray]:
        """The arguments, floats in float64."""
        drawn = [self.prepared(d.sample(0, f"argument{i}")) for i, d in enumerate(self.arguments)]
        return [a.astype(np.float64) if a.dtype.kind == "f" else a for a in drawn]

    def prepared(self, array: np.ndarray) -> np.ndarray:
        return np.round(array) if self.rounded and array.dtype.kind == "f" else array


class OpsModel:
    """A model that applies each case to arrays of its own, named `case<n>.`; its loss is the sum of one loss for each.

    Float arguments are parameters, all others the batch. Every output is compared with a target that is a parameter
    too, whose gradient is the difference of both: so an error forward shows as well as one backward.
    """

    def __init__(self, cases: Sequence[Case]) -> None:
        self.cases = cases

    def batch_arrays(self) -> dict[str, Draw]:
        batch: dict[str, Draw] = {}
        for n, case in enumerate(self.cases):
            batch |= {f"case{n}.{i}": d for i, d in enumerate(case.arguments) if not d.differentiable}
        return batch

    def loss(self, ops: Any, param: Any, **batch: Any) -> Any:
        return reduce(ops.add, (self._one(ops, param, batch, n, case) for n, case in enumerate(self.cases)))

    def _one(self, ops: Any, param: Any, batch: dict[str, Any], n: int, case: Case) -> Any:
        drawn = {f"case{n}.{i}": d for i, d in enumerate(case.arguments)}
        arguments = [batch[name] if name in batch else param(name, d) for name, d in drawn.items()]
        result = getattr(ops, case.op)(*arguments, **case.attrs)
        if case.is_loss:
            return result
        parts = result if isinstance(result, tuple) else (result,)
        return reduce(
            ops.add,
            (ops.mse(part, param(f"case{n}.target{i}", draw.normal(*part.shape))) for i, part in enumerate(parts)),
        )

    def sample(self) -> dict[str, np.ndarray]:
        """All arrays by name, with the cases' own rounding."""
        drawn = {name: d.sample(0, name) for name, d in trace(self).draws.items()}
        for n, case in enumerate(self.cases):
            names = (f"case{n}.{i}" for i in range(len(case.arguments)))
            drawn |= {name: case.prepared(drawn[name]) for name in names}
        return drawn


def case(op: str, *arguments: tuple[int, ...] | Draw, rounded: bool = False, **attrs: Any) -> Case:
    """A shape stands for normally distributed numbers."""
    return Case(op, tuple(draw.normal(*a) if isinstance(a, tuple) else a for a in arguments), attrs, rounded)


IMAGE = (2, 6, 5, 4)

SIZES = Sizes(batch=2, tokens=3, width=4, heads=2, image=4, channels=4, kernel=2, groups=2, entries=5)

# No multiply has an inner dimension of one: compilers make an elementwise product of it, and the count one less.
_MORE_THAN_AN_EXAMPLE = (
    case("linear", (3, 4), (4, 2)),
    case("linear", (3, 4), (4, 2), (2,)),
    case("linear", (2, 3, 4), (4, 5)),
    case("linear", (2, 3, 4), (4, 5), (5,)),
    case("linear", (2, 3, 2, 4), (4, 3), (3,)),
    case("linear", (1, 2), (2, 2), (2,)),
    case("tied_linear", (3, 4), (7, 4)),
    case("tied_linear", (2, 3, 4), (6, 4)),
    case("conv2d", IMAGE, (3, 3, 4, 3)),
    case("conv2d", IMAGE, (3, 3, 4, 3), (3,), padding=1),
    case("conv2d", IMAGE, (3, 3, 4, 3), stride=2, padding=1),
    case("conv2d", IMAGE, (1, 1, 4, 6), stride=2),
    case("conv2d", IMAGE, (3, 2, 2, 6), (6,), stride=1, padding=1, groups=2),
    case("conv2d", IMAGE, (3, 3, 1, 4), stride=2, padding=1, groups=4),
    case("conv2d", IMAGE, (3, 3, 1, 8), padding=1, groups=4),
    case("conv2d", (1, 9, 9, 3), (7, 7, 3, 2), stride=2, padding=3),
    case("conv2d", (2, 7, 8, 2), (2, 2, 2, 3), stride=3),
    case("batch_norm", (6, 4), (4,), (4,), eps=1e-5),
    case("batch_norm", (3, 5, 4), (4,), (4,), eps=1e-5),
    case("batch_norm", IMAGE, (4,), (4,), eps=1e-3),
    *(
        case("batch_norm_inference", shape, (4,), (4,), draw.running_mean(4), draw.running_variance(4), eps=1e-3)
        for shape in ((6, 4), (3, 5, 4), IMAGE)
    ),
    case("layer_norm", (3, 6), (6,), (6,), eps=1e-5),
    case("layer_norm", (2, 3, 6), (6,), (6,), eps=1e-3),
    case("layer_norm", IMAGE, (4,), (4,), eps=1e-5),
    case("attention", (2, 5, 6), (2, 5, 6), (2, 5, 6), heads=2, causal=True),
    case("attention", (2, 5, 6), (2, 5, 6), (2, 5, 6), heads=2, causal=False),
    case("attention", (1, 4, 3), (1, 4, 3), (1, 4, 3), heads=1, causal=True),
    case("attention", (1, 4, 8), (1, 4, 8), (1, 4, 8), heads=4, causal=False),
    case("relu", (3, 4)),
    case("relu", IMAGE),
    case("gelu", (3, 4)),
    case("gelu", (2, 3, 4)),
    case("add", (3, 4), (3, 4)),
    case("add", (2, 3, 4), (3, 4)),
    case("add", (2, 3, 4), (4,)),
    case("add", IMAGE, IMAGE),
    case("add", IMAGE, (5, 4)),
    case("max_pool", IMAGE, size=2, stride=2),
    case("max_pool", IMAGE, size=3, stride=2, padding=1),
    case("max_pool", IMAGE, size=3, stride=1, padding=1),
    case("max_pool", (1, 7, 7, 2), size=2, stride=3),
    case("global_avg_pool", IMAGE),
    case("global_avg_pool", (3, 1, 1, 2)),
    case("embedding", (6, 4), draw.integers(5, high=6)),
    case("embedding", (6, 4), draw.integers(2, 8, high=6)),
    case("embedding", (3, 4), draw.integers(2, 2, 3, high=3)),
    case("embedding", (6, 4), draw.positions(3)),
    case("split", (3, 6), parts=3),
    case("split", (2, 3, 4), parts=2),
    case("cross_entropy", (3, 5), draw.integers(3, high=5)),
    case("cross_entropy", (2, 3, 5), draw.integers(2, 3, high=5)),
    case("cross_entropy", (2, 2, 3, 4), draw.integers(2, 2, 3, high=4)),
    case("attention", (2, 5, 8), (2, 5, 4), (2, 5, 4), heads=4, kv_heads=2, causal=True),
    case("attention", (2, 5, 8), (2, 5, 2), (2, 5, 2), heads=4, kv_heads=1, causal=False),
    case("attention", (2, 5, 6), (2, 5, 6), (2, 5, 6), draw.padding(2, 5), heads=2, causal=False),
    case("attention", (2, 5, 8), (2, 5, 4), (2, 5, 4), draw.padding(2, 5), heads=4, kv_heads=2, causal=False),
    case("attention", (2, 5, 6), (2, 5, 6), (2, 5, 6), (2, 5, 5), heads=2, causal=False),
    case("rms_norm", (3, 6), (6,), eps=1e-5),
    case("rms_norm", (2, 3, 6), (6,), eps=1e-3),
    case("sigmoid", draw.normal(5, 6, std=3)),
    case("silu", draw.normal(5, 6, std=3)),
    case("dropout", (2, 3, 4), draw.kept(2, 3, 4, rate=0.25), rate=0.25),
    case("rotary", (2, 5, 8), *draw.rotation(5, 2, base=100), heads=2),
    case("rotary", (2, 3, 12), *draw.rotation(3, 6, base=10_000), heads=1),
    case("image_tokens", IMAGE),
    case("lstm_cell", (2, 3), (2, 4), (2, 4), (3, 16), (4, 16), (16,)),
    case("lstm", (3, 2, 4), (3, 2), (3, 2), (4, 8), (2, 8), (8,)),
    case("lstm", (2, 5, 3), (2, 4), (2, 4), (3, 16), (4, 16), (16,)),
    case("gru_cell", (2, 3), (2, 4), (3, 12), (4, 12), (12,), (12,)),
    case("gru", (3, 2, 4), (3, 2), (4, 6), (2, 6), (6,), (6,)),
    case("gru", (2, 5, 3), (2, 4), (3, 12), (4, 12), (12,), (12,)),
    case("dot_interaction", (3, 4), (3, 4)),
    case("dot_interaction", (3, 4), (3, 4), (3, 4), (3, 4)),
    case("conv_transpose2d", IMAGE, (2, 2, 3, 4), (3,), stride=2),
    case("conv_transpose2d", IMAGE, (3, 2, 5, 4), stride=2),
    case("conv_transpose2d", IMAGE, (2, 2, 2, 4), stride=3),
    case("group_norm", IMAGE, (4,), (4,), groups=2, eps=1e-5),
    case("group_norm", IMAGE, (4,), (4,), groups=4, eps=1e-3),
    case("gelu", (3, 4), approximate=False),
    case("gelu", IMAGE, approximate=False),
    case("relu6", draw.normal(5, 6, std=6)),
    case("leaky_relu", IMAGE, slope=0.1),
    case("hard_swish", draw.normal(5, 6, std=3)),
    case("avg_pool", IMAGE, size=2, stride=2),
    case("avg_pool", IMAGE, size=3, stride=1),
    case("avg_pool", IMAGE, size=2, stride=3),
    case("upsample", IMAGE, factor=2),
    case("concatenate", IMAGE, (2, 6, 5, 3), axis=3),
    case("concatenate", (3, 4), (1, 4), (2, 4), axis=0),
    case("concatenate", IMAGE, (2, 2, 5, 4), axis=1),
    case("flatten", IMAGE),
    case("mse", (3, 4), (3, 4)),
    case("mse", IMAGE, IMAGE),
    case("multiply", (2, 3, 4), (2, 3, 4)),
    case("multiply", (2, 3, 4), (4,)),
    case("multiply", IMAGE, (5, 4)),
)


def example(op: str) -> Case:
    """The op's own example, small."""
    made = CATALOGUE[op].example(SIZES)
    return Case(op, tuple(made.arguments.values()), made.attrs)


def cases(op: str) -> tuple[Case, ...]:
    """All cases of an op: those listed here, else its example."""
    return tuple(case for case in _MORE_THAN_AN_EXAMPLE if case.op == op) or (example(op),)


CASES = tuple(case for op in CATALOGUE for case in cases(op))

# Where a derivative does not exist, the catalogue says which one is taken.
TIES = (
    case("max_pool", IMAGE, size=3, stride=2, padding=1, rounded=True),
    case("relu", (5, 6), rounded=True),
    case("relu6", draw.normal(5, 6, std=6), rounded=True),
    case("leaky_relu", (5, 6), rounded=True, slope=0.1),
)
